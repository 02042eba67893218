"""Moving a row in latent space: reconstruct, edit, interpolate, traverse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.data import given_views
from pyro_favae.errors import DataError, SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.results.predictive import inferred, predict, transform

SHOWN = 0.05  # squared canonical correlation below which rows do not show what is asked of them


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

    The factors move as little as they can, and with them the latents by W̄ Δg, so that the row then says of the
    changed attributes what is wished, and of the others what it said; the private residual stays. Attributes that
    already look as wished are left alone, as are directions of the attributes that the view hardly shows. Under a
    prior with components, the factors move by E[g | attributes as wished] − E[g | attributes as they look] instead.
    """
    other = _view_of_attributes(guide, name, attributes)
    features = list(guide.declaration.views[other].feature_names)
    seen = predict(guide, other, {name: data}, 0, seed=0).mean
    if guide.declaration.views[other].binary:
        seen = np.round(seen)
    wished = seen.copy()
    for attribute, value in attributes.items():
        wished[:, features.index(attribute)] = value
    if guide.declaration.factors.n_components > 1:
        shift = torch.as_tensor(transform(guide, {other: wished}).mean - transform(guide, {other: seen}).mean)
    else:
        shift = _smallest_move(guide, name, data, other, wished, wished != seen)
    return decode(guide, name, latent_means(guide, name, data) + _latent_shift(guide, name, shift))


@torch.no_grad()
def _smallest_move(
    guide: FAVAEGuide, name: str, data: Any, other: str, wished: np.ndarray, changed: np.ndarray
) -> Tensor:
    """The shift of the factors (rows, K) after which the row's own data say of another view what is wished.

    That is the data themselves, or of a binary view the logits expected where a row has the attributes that are
    changed. Where not all of it can be had at once, what is changed comes before what is kept.
    """
    weights, own = guide.posterior.view(other).weights, guide.posterior.view(name).weights.weights
    noise = guide.posterior.view(other).noise.mean_inverse.expand(len(weights.weights))
    if guide.declaration.views[other].binary:
        wished = np.where(changed, wished, np.nan)
    goal, moved = latent_means(guide, other, wished), torch.as_tensor(changed, device=guide.device)
    asked = moved.any(0)
    parts, start = [], 0
    for rows in inferred(guide, given_views(guide.declaration, {name: data})):
        stop = start + len(rows.factors)
        said = rows.factors @ weights.weights.mT + weights.bias
        change = (goal[start:stop] - said) * moved[start:stop]
        response = (rows.gain(rows.views[0]) @ own)[rows.covariance.index]
        shift = _shift_to(weights.weights, noise, response, change)
        if asked.any():
            short = change - (weights.weights @ response @ shift[..., None])[..., 0]
            shift = shift + _shift_to(weights.weights[asked], noise[asked], response, short[:, asked])
        parts.append(shift)
        start = stop
    return torch.cat(parts)


def _shift_to(weights: Tensor, noise: Tensor, response: Tensor, change: Tensor) -> Tensor:
    """The shift of the factors (rows, K) that changes by (rows, D) what rows say of W̄ g.

    A row whose latents follow a shift Δg of the factors says W̄ P Δg, with P = B W̄_own its response (rows, K, K). Of
    all shifts with W̄ P Δg = Δ, Δg = W̄ᵀ (W̄ P W̄ᵀ)⁻¹ Δ moves the latents by the least Mahalanobis distance under
    p(z). The inverse leaves out directions of which rows show less than ``SHOWN``.
    """
    whiten = torch.linalg.inv(cholesky(weights @ weights.mT + noise.diag(), "attributes"))
    shown = whiten @ weights @ response @ weights.mT @ whiten.mT
    inverse = torch.linalg.pinv(shown, atol=SHOWN, rtol=0.0, hermitian=True)
    return (weights.mT @ whiten.mT @ inverse @ whiten @ change[..., None])[..., 0]


def interpolate(guide: FAVAEGuide, name: str, start: Any, end: Any, steps: int, space: str) -> np.ndarray:
    """Rows on the way from start to end, (steps, rows, *event)."""
    if space not in ("private", "shared"):
        raise SpecError(f"interpolate: space is {space!r}, expected 'private' or 'shared'")
    first = latent_means(guide, name, start)
    if space == "private":
        move = latent_means(guide, name, end) - first
    else:
        factors = transform(guide, {name: end}).mean - transform(guide, {name: start}).mean
        move = _latent_shift(guide, name, torch.as_tensor(factors))
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
    if not 0 <= value < size:
        raise SpecError(f"traverse: {what} {value} does not exist, expected 0 to {size - 1}")
    return value


def _latent_shift(guide: FAVAEGuide, name: str, factors: Tensor) -> Tensor:
    """How a view's latents follow a shift of the factors (rows, K)."""
    return factors.to(guide.device) @ guide.posterior.view(name).weights.weights.mT


def _view_of_attributes(guide: FAVAEGuide, name: str, attributes: Mapping[str, float]) -> str:
    for other, view in guide.declaration.views.items():
        if other != name and attributes and set(attributes) <= set(view.feature_names):
            return other
    known = {n: list(v.feature_names) for n, v in guide.declaration.views.items() if n != name}
    raise DataError(f"no single other view has the attributes {list(attributes)}; known by view: {known}")
