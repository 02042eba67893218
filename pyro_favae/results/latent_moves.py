"""Moving a row in latent space: reconstruct, interpolate, traverse."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.errors import DataError, SpecError, shown
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.models.declaration import require_choice
from pyro_favae.results.predictive import in_pieces, rows_given


def with_groups(guide: FAVAEGuide, given: Mapping[str, Any], groups: Any) -> dict[str, Any]:
    """What is given of rows, and their groups' labels where they are known."""
    if groups is None:
        return dict(given)
    prior = guide.declaration.factors
    if prior.column is None:
        raise SpecError(f"groups are given, but the factors' prior {type(prior).__name__} has none")
    return {**given, prior.column: groups}


@torch.no_grad()
def latent_means(guide: FAVAEGuide, given: Mapping[str, Any]) -> Tensor:
    """Posterior means of the latents of the one view that is given, (rows, D)."""
    return torch.cat([rows.views[0].latent_means(rows) for rows in rows_given(guide, given)])


@torch.no_grad()
def decode(guide: FAVAEGuide, name: str, latents: Tensor) -> np.ndarray:
    """Expected data of latents (..., D), in the user's units."""
    return in_pieces(guide.model.emission(name).decode, latents)


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
        move = latent_shift(guide, name, factor_means(guide, ends) - factor_means(guide, starts))
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
        origin = factor_means(guide, labels) @ weights.weights.mT + weights.bias
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


def _in_range(what: str, value: object, size: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < size:
        raise SpecError(f"traverse: {what} {shown(value)} does not exist, expected 0 to {size - 1}")
    return value


@torch.no_grad()
def factor_means(guide: FAVAEGuide, given: Mapping[str, Any] | None) -> Tensor:
    """Posterior means of the factors given any views, (rows, K)."""
    return torch.cat([rows.factors for rows in rows_given(guide, given)])


def latent_shift(guide: FAVAEGuide, name: str, factors: Tensor) -> Tensor:
    """How a view's latents follow a shift of the factors (rows, K)."""
    return factors @ guide.posterior.view(name).weights.weights.mT
