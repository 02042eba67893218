"""Moving a row in latent space: reconstruct, edit, interpolate, traverse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.errors import DataError, SpecError, shown
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.models.declaration import require_choice, require_number
from pyro_favae.models.views import DecoderView, View
from pyro_favae.models.views.network import NetworkView
from pyro_favae.results.predictive import in_pieces, predict, rows_given


def with_groups(guide: FAVAEGuide, given: Mapping[str, Any], groups: Any) -> dict[str, Any]:
    """What is given of rows, and their groups' labels where they are known."""
    prior = guide.declaration.factors
    if groups is not None and prior.column is None:
        raise SpecError(f"groups are given, but the factors' prior {type(prior).__name__} has none")
    return dict(given) if groups is None else {**given, prior.column: groups}


@torch.no_grad()
def latent_means(guide: FAVAEGuide, given: Mapping[str, Any]) -> Tensor:
    """Posterior means of the latents of the one view that is given, (rows, D)."""
    return torch.cat([rows.views[0].latent_means(rows) for rows in rows_given(guide, given)])


@torch.no_grad()
def decode(guide: FAVAEGuide, name: str, latents: Tensor) -> np.ndarray:
    """Expected data of latents (..., D), in the user's units."""
    return in_pieces(guide.model.emission(name).decode, latents)


def edit(
    guide: FAVAEGuide, name: str, data: Any, attributes: Mapping[str, float], groups: Any = None
) -> np.ndarray:
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
    given = with_groups(guide, {name: data}, groups)
    seen = _as_they_look(guide, other, given)
    wished = _as_wished(guide.declaration.views[other], seen, attributes)
    shift = [_factor_means(guide, with_groups(guide, {other: rows}, groups)) for rows in (wished, seen)]
    return decode(guide, name, latent_means(guide, given) + _latent_shift(guide, name, *shift))


def interpolate(
    guide: FAVAEGuide,
    name: str,
    start: Any,
    end: Any,
    steps: int,
    space: str,
    groups: Any = None,
    end_groups: Any = None,
) -> np.ndarray:
    """Rows on the way from start to end, (steps, rows, *event)."""
    require_choice("interpolate", ("private", "shared"), space=space)
    ends = with_groups(guide, {name: end}, groups if end_groups is None else end_groups)
    starts = with_groups(guide, {name: start}, groups)
    first, last = latent_means(guide, starts), latent_means(guide, ends)
    if len(first) != len(last):
        raise DataError(
            f"interpolate: {len(first)} rows to start from and {len(last)} to end at, expected as many"
        )
    if space == "private":
        move = last - first
    else:
        move = _latent_shift(guide, name, _factor_means(guide, ends), _factor_means(guide, starts))
    shares = torch.linspace(0, 1, steps, dtype=first.dtype, device=first.device)
    return np.stack([decode(guide, name, first + share * move) for share in shares])


@torch.no_grad()
def traverse(
    guide: FAVAEGuide,
    name: str,
    data: Any,
    dimension: int | None,
    factor: int | None,
    steps: int,
    span: float,
    groups: Any = None,
) -> np.ndarray:
    """Rows as one latent dimension, or one shared factor, moves by ±span sd, (steps, rows, *event)."""
    if (dimension is None) == (factor is None):
        raise SpecError("traverse: give either dimension= or factor=")
    weights = guide.posterior.view(name).weights
    labels = with_groups(guide, {}, groups) or None
    if data is None:
        origin = _factor_means(guide, labels) @ weights.weights.mT + weights.bias
    else:
        origin = latent_means(guide, with_groups(guide, {name: data}, groups))
    if factor is None:
        direction = torch.zeros_like(origin[0])
        direction[_in_range("dimension", dimension, len(direction))] = 1.0
    else:
        factor = _in_range("factor", factor, weights.weights.shape[1])
        variance = torch.cat([rows.spread()[:, factor, factor] for rows in rows_given(guide, labels)])
        direction = variance.sqrt()[:, None] * weights.weights[:, factor]
    shares = torch.linspace(-float(span), float(span), steps, dtype=origin.dtype, device=origin.device)
    return np.stack([decode(guide, name, origin + share * direction) for share in shares])


def _in_range(what: str, value: int, size: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < size:
        raise SpecError(f"traverse: {what} {shown(value)} does not exist, expected 0 to {size - 1}")
    return value


@torch.no_grad()
def _factor_means(guide: FAVAEGuide, given: Mapping[str, Any] | None) -> Tensor:
    """(rows, K)."""
    return torch.cat([rows.factors for rows in rows_given(guide, given)])


def _latent_shift(guide: FAVAEGuide, name: str, factors: Tensor, before: Tensor) -> Tensor:
    """How a view's latents follow factors (rows, K) that were others before."""
    return (factors - before) @ guide.posterior.view(name).weights.weights.mT


def _as_they_look(guide: FAVAEGuide, other: str, given: Mapping[str, Any]) -> np.ndarray:
    """What is predicted of another view, as data of that view (rows, *event)."""
    view, predicted = guide.declaration.views[other], predict(guide, other, given, 0, seed=0)
    if view.binary or (isinstance(view, DecoderView) and view.likelihood.support == "count"):
        return np.round(predicted.mean)
    moments = (torch.as_tensor(values).to(guide.device) for values in (predicted.mean, predicted.sd))
    return guide.model.emission(other).filling(*moments).cpu().numpy()


def _as_wished(view: View, seen: np.ndarray, attributes: Mapping[str, float]) -> np.ndarray:
    """The same with some attributes changed, or of the class that is wished for."""
    names = list(view.column_names)
    wished = np.array(seen, dtype=np.float64)
    if view.event_shape:
        for attribute, value in attributes.items():
            wished[:, names.index(attribute)] = value
        return wished
    if list(attributes.values()) != [1]:
        raise DataError(
            f"edit: {dict(attributes)} for a view of classes, expected the one class that is wished: {{class: 1}}"
        )
    wished[:] = names.index(*attributes)
    return wished


def _view_of_attributes(guide: FAVAEGuide, name: str, attributes: Mapping[str, float]) -> str:
    """The one other view whose columns or classes the attributes are."""
    views = {other: view for other, view in guide.declaration.views.items() if other != name}
    known = {other: list(view.column_names) for other, view in views.items() if _has_columns(view)}
    for other, columns in known.items():
        if attributes and set(attributes) <= set(columns):
            return other
    raise DataError(f"no single other view has the attributes {list(attributes)}; known by view: {known}")


def _has_columns(view: View) -> bool:
    """Whether its data are a table or classes, whose names are the view's; not so images and sequences."""
    return len(view.event_shape) < 2 and not isinstance(view, NetworkView)
