"""Editing rows: attributes of another view change, everything private is kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.errors import DataError, shown
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.linear_algebra import cholesky, inverse_of_precision
from pyro_favae.models.declaration import require_number
from pyro_favae.models.views import DecoderView, View
from pyro_favae.models.views.base import TableView
from pyro_favae.models.views.network import NetworkView
from pyro_favae.results.latent_moves import decode, factor_means, latent_means, latent_shift, with_groups
from pyro_favae.results.predictive import predict, rows_given

MOVES = 3  # behind an encoder, where what a row is moved to say is not quite what is seen of it
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
        return decode(guide, name, _moved_least(guide, name, other, given, wished, wished != seen))
    after, before = (
        factor_means(guide, with_groups(guide, {other: rows}, groups)) for rows in (wished, seen)
    )
    return decode(guide, name, latent_means(guide, given) + latent_shift(guide, name, after - before))


def _is_linear(guide: FAVAEGuide, view: View) -> bool:
    """Whether factors have one Gaussian prior, and a view's latents are its columns."""
    columns = isinstance(view, TableView) and view.event_shape == (view.latent_dim,)
    return columns and guide.declaration.factors.n_components == 1


@torch.no_grad()
def _moved_least(
    guide: FAVAEGuide,
    name: str,
    other: str,
    given: Mapping[str, Any],
    wished: np.ndarray,
    changed: np.ndarray,
) -> Tensor:
    """The latents (rows, D) after the smallest moves that make the rows given say of another view what is wished.

    That is the data themselves, or of a binary view the logits expected where a row has the attributes that are
    changed. Behind an encoder rows are looked at as they are decoded, and moved again by what they fall short of.
    """
    if guide.declaration.views[other].binary:
        wished = np.where(changed, wished, np.nan)
    labels = {key: values for key, values in given.items() if key != name}
    weights = guide.posterior.view(other).weights
    goal = latent_means(guide, {other: wished, **labels})
    moved = torch.as_tensor(changed, device=guide.device)
    latents, target, again = latent_means(guide, given), None, _can_look_again(guide, name)
    for _ in range(MOVES if again else 1):
        if again:
            given = {name: decode(guide, name, latents), **labels}
        said = factor_means(guide, given) @ weights.weights.mT + weights.bias
        target = torch.where(moved, goal, said) if target is None else target
        change = (target - said) * moved.any(1, keepdim=True)
        shift = _smallest_move(guide, name, other, given, change, moved.any(0))
        latents = latents + latent_shift(guide, name, shift)
    return latents


def _can_look_again(guide: FAVAEGuide, name: str) -> bool:
    """Whether decoded rows can be encoded: an expected count or class is no count and no class."""
    view = guide.declaration.views[name]
    return isinstance(view, DecoderView) and view.likelihood.support in ("real", "unit")


def _smallest_move(
    guide: FAVAEGuide, name: str, other: str, given: Mapping[str, Any], change: Tensor, asked: Tensor
) -> Tensor:
    """The shift of the factors (rows, K) that changes by (rows, D) what the rows given say of another view.

    Where not all of it can be had at once, what is asked for, (D,) booleans, comes before the rest.
    """
    weights, own = (guide.posterior.view(view).weights.weights for view in (other, name))
    noise = guide.posterior.view(other).noise.mean_inverse.expand(len(weights))
    parts: list[Tensor] = []
    for rows in rows_given(guide, given):
        start = sum(map(len, parts))
        wanted = change[start : start + len(rows.factors)]
        response = rows.covariance.of_rows(rows.gain(rows.views[0]) @ own)
        before = inverse_of_precision(guide.posterior.factors.prior_precision, "factors")[rows.groups.index]
        shift = _shift_to(weights, noise, before, response, wanted)
        if asked.any():
            short = wanted - (weights @ response @ shift[..., None])[..., 0]
            shift = shift + _shift_to(weights[asked], noise[asked], before, response, short[:, asked])
        parts.append(shift)
    return torch.cat(parts)


def _shift_to(weights: Tensor, noise: Tensor, before: Tensor, response: Tensor, change: Tensor) -> Tensor:
    """The shift of the factors (rows, K) that changes by (rows, D) what rows say of W̄ g.

    A row whose latents follow a shift Δg of the factors says W̄ P Δg, with P = B W̄_own its response (rows, K, K). Of
    all shifts with W̄ P Δg = Δ, Δg = S W̄ᵀ (W̄ P S W̄ᵀ)⁻¹ Δ moves the latents by the least Mahalanobis distance under
    p(z), where S is the covariance of the factors before (rows, K, K). The inverse leaves out directions of which
    rows show less than ``SHOWN``.
    """
    carried = before @ weights.mT
    whiten = torch.linalg.inv(cholesky(weights @ carried + noise.diag(), "attributes"))
    shown_share = whiten @ weights @ response @ carried @ whiten.mT
    inverse = torch.linalg.pinv(shown_share, atol=SHOWN, rtol=0.0, hermitian=True)
    return (carried @ whiten.mT @ inverse @ whiten @ change[..., None])[..., 0]


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
