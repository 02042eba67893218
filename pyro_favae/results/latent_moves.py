"""Moving a row in latent space: reconstruct, edit, interpolate, traverse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.data import given_views
from pyro_favae.errors import DataError, SpecError, shown
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.models.declaration import require_choice, require_number
from pyro_favae.results.predictive import inferred, predict, transform


@torch.no_grad()
def latent_means(guide: FAVAEGuide, name: str, data: Any) -> Tensor:
    """Posterior means of a view's latents given its own data, (rows, D)."""
    parts = []
    for rows in inferred(guide, given_views(guide.declaration, {name: data})):
        parts.append(rows.views[0].latent_means(rows))
    return torch.cat(parts)


@torch.no_grad()
def decode(guide: FAVAEGuide, name: str, latents: Tensor) -> np.ndarray:
    """Expected data of latents (..., D), in the user's units."""
    decoded = guide.model.emission(name).decode(latents.reshape(-1, latents.shape[-1]))
    return decoded.unflatten(0, latents.shape[:-1]).cpu().numpy()


def edit(guide: FAVAEGuide, name: str, data: Any, attributes: Mapping[str, float]) -> np.ndarray:
    """Rows with some attributes changed and the rest of them kept, (rows, *event).

    The latents move by W̄ (E[g | attributes as wished] − E[g | attributes as they look]): what the attributes
    say of the shared factors changes, the private residual stays.
    """
    if not isinstance(attributes, Mapping):
        raise DataError(
            f"edit: attributes is {shown(attributes)}, expected a mapping of their names to values"
        )
    require_number("edit", **{str(attribute): value for attribute, value in attributes.items()})
    other = _view_of_attributes(guide, name, attributes)
    features = list(guide.declaration.views[other].feature_names)
    seen = predict(guide, other, {name: data}, 0, seed=0).mean
    if guide.declaration.views[other].binary:
        seen = np.round(seen)
    wished = seen.copy()
    for attribute, value in attributes.items():
        wished[:, features.index(attribute)] = value
    shift = transform(guide, {other: wished}).mean - transform(guide, {other: seen}).mean
    return decode(guide, name, latent_means(guide, name, data) + _latent_shift(guide, name, shift))


def interpolate(guide: FAVAEGuide, name: str, start: Any, end: Any, steps: int, space: str) -> np.ndarray:
    """Rows on the way from start to end, (steps, rows, *event)."""
    require_choice("interpolate", ("private", "shared"), space=space)
    first, last = (latent_means(guide, name, data) for data in (start, end))
    if len(first) != len(last):
        raise DataError(
            f"interpolate: {len(first)} rows to start from and {len(last)} to end at, expected as many"
        )
    if space == "private":
        move = last - first
    else:
        factors = transform(guide, {name: end}).mean - transform(guide, {name: start}).mean
        move = _latent_shift(guide, name, factors)
    shares = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device)
    return decode(guide, name, torch.stack([first + share * move for share in shares]))


def traverse(
    guide: FAVAEGuide,
    name: str,
    data: Any,
    dimension: int | None,
    factor: int | None,
    steps: int,
    span: float,
) -> np.ndarray:
    """Rows as one latent dimension, or one shared factor, moves by ±span sd, (steps, rows, *event)."""
    if (dimension is None) == (factor is None):
        raise SpecError("traverse: give either dimension= or factor=")
    posterior = guide.posterior.view(name)
    weights = posterior.weights
    if data is None:
        prior = guide.infer({}, 1).factors
        origin = prior @ weights.weights.mT + weights.bias
    else:
        origin = latent_means(guide, name, data)
    if factor is None:
        direction = torch.zeros_like(origin[0])
        direction[_in_range("dimension", dimension, len(direction))] = 1.0
    else:
        factor = _in_range("factor", factor, weights.weights.shape[1])
        sd = guide.infer({}, 1).spread()[0, factor, factor].sqrt()
        direction = weights.weights[:, factor] * sd
    shares = torch.linspace(-span, span, steps, dtype=origin.dtype, device=origin.device)
    return decode(guide, name, torch.stack([origin + share * direction for share in shares]))


def _in_range(what: str, value: int, size: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < size:
        raise SpecError(f"traverse: {what} {shown(value)} does not exist, expected 0 to {size - 1}")
    return value


def _latent_shift(guide: FAVAEGuide, name: str, factors: np.ndarray) -> Tensor:
    """How a view's latents follow a shift of the factors (rows, K)."""
    weights = guide.posterior.view(name).weights.weights
    return torch.as_tensor(factors).to(guide.device) @ weights.mT


def _view_of_attributes(guide: FAVAEGuide, name: str, attributes: Mapping[str, float]) -> str:
    for other, view in guide.declaration.views.items():
        if other != name and attributes and set(attributes) <= set(view.feature_names):
            return other
    known = {n: list(v.feature_names) for n, v in guide.declaration.views.items() if n != name}
    raise DataError(f"no single other view has the attributes {list(attributes)}; known by view: {known}")
