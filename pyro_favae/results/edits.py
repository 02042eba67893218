"""Editing rows: attributes of another view change, everything private is kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.errors import DataError, shown
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.models.declaration import require_number
from pyro_favae.models.views import DecoderView, View
from pyro_favae.models.views.base import TableView
from pyro_favae.models.views.network import NetworkView
from pyro_favae.results.latent_moves import decode, factor_means, latent_means, latent_shift, with_groups
from pyro_favae.results.predictive import predict, rows_given

SHOWN = 0.05  # squared canonical correlation below which rows do not show what is asked of them


def edit(
    guide: FAVAEGuide, name: str, data: Any, attributes: Mapping[str, float], groups: Any = None
) -> np.ndarray:
    """Rows with some attributes changed and the rest of them kept, (rows, *event).

    The factors move as little as they can, and with them the latents by W̄ Δg, so that the row then says of the
    changed attributes what is wished, and of the others what it said; the private residual stays. Attributes that
    already look as wished are left alone, as are directions of the attributes that the view hardly shows. Under a
    prior with components, and where attributes are classes or no table, the factors move by E[g | attributes as
    wished] − E[g | attributes as they look] instead.
    """
    if not isinstance(attributes, Mapping):
        raise DataError(
            f"edit: attributes is {shown(attributes)}, expected a mapping of their names to values"
        )
    require_number("edit", **{str(attribute): value for attribute, value in attributes.items()})
    other = _view_of_attributes(guide, name, attributes)
    given = with_groups(guide, {name: data}, groups)
    seen = _as_they_look(guide, other, given)
    view = guide.declaration.views[other]
    wished = _as_wished(view, seen, attributes)
    if _is_linear(guide, view):
        shift = _smallest_move(guide, name, other, given, wished, wished != seen)
    else:
        after, before = (
            factor_means(guide, with_groups(guide, {other: rows}, groups)) for rows in (wished, seen)
        )
        shift = after - before
    return decode(guide, name, latent_means(guide, given) + latent_shift(guide, name, shift))


def _is_linear(guide: FAVAEGuide, view: View) -> bool:
    """Whether factors have one Gaussian prior, and a view's latents are its columns."""
    columns = isinstance(view, TableView) and view.event_shape == (view.latent_dim,)
    return columns and guide.declaration.factors.n_components == 1


@torch.no_grad()
def _smallest_move(
    guide: FAVAEGuide,
    name: str,
    other: str,
    given: Mapping[str, Any],
    wished: np.ndarray,
    changed: np.ndarray,
) -> Tensor:
    """The shift of the factors (rows, K) after which the rows given say of another view what is wished.

    That is the data themselves, or of a binary view the logits expected where a row has the attributes that are
    changed. Where not all of it can be had at once, what is changed comes before what is kept.
    """
    weights, own = guide.posterior.view(other).weights, guide.posterior.view(name).weights.weights
    noise = guide.posterior.view(other).noise.mean_inverse.expand(len(weights.weights))
    if guide.declaration.views[other].binary:
        wished = np.where(changed, wished, np.nan)
    labels = {key: values for key, values in given.items() if key != name}
    goal, moved = (
        latent_means(guide, {other: wished, **labels}),
        torch.as_tensor(changed, device=guide.device),
    )
    asked = moved.any(0)
    parts, start = [], 0
    for rows in rows_given(guide, given):
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
    shown_share = whiten @ weights @ response @ weights.mT @ whiten.mT
    inverse = torch.linalg.pinv(shown_share, atol=SHOWN, rtol=0.0, hermitian=True)
    return (weights.mT @ whiten.mT @ inverse @ whiten @ change[..., None])[..., 0]


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
    (label,) = attributes
    wished[:] = names.index(label)
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
