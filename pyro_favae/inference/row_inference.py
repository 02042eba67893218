"""Closed-form q of a batch of rows, given the global posterior."""

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor

from pyro_favae.data.observed import on_device
from pyro_favae.inference.covariance import (
    FEW_PATTERNS,
    PatternCovariance,
    Patterns,
    RowCovariance,
    RowGroups,
    group_patterns,
)
from pyro_favae.inference.linear_algebra import pack, unpack
from pyro_favae.inference.low_rank import Logits, LowRankCovariance
from pyro_favae.inference.low_rank_rows import LowRankRows
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.snapshot import Snapshot

LARGEST_RANK = 0.5  # of the factors: with more logits than that a matrix for each row is as fast
LARGEST_LOSS = 1e-6  # nats of the bound a row that low-rank covariances may cost


@torch.no_grad()
def infer_rows(
    snapshot: Snapshot,
    views: Sequence[ViewRows],
    n: int,
    *,
    iterations: int,
    tolerance: float = 1e-6,
    groups: Tensor | None = None,
    low_rank: bool = False,
) -> Rows:
    """Closed-form q of a batch of n rows; ``iterations`` bounds the local steps of views that have any.

    They end earlier where all change by less than the tolerance, which a tolerance of zero does not ask.

    Λ_n = λ_n + Σ_m <τ WᵀW>, ḡ_n = Λ_n⁻¹ (λ_n m_c + Σ_m τ (W̄ᵀ z̄ − <Wᵀ b>)), summed over what is observed of the row,
    λ_n the identity or the precision of the row's group. groups: which each row is of, (rows,), None if not known.
    low_rank: whether rows may have a :class:`LowRankCovariance`, where that costs next to nothing of the bound.
    """
    members = snapshot.row_groups(groups, n)
    patterns = _patterns(views, members)
    if all(view.entry_precision is None for view in views):
        widths = ((view.view, view.pattern) for view in views)
        key = tuple((id(view), 0 if pattern is None else pattern.shape[1]) for view, pattern in widths)
        known = snapshot.covariance(key, patterns, lambda: _pattern_precision(snapshot, views, patterns))
        return _given_covariance(snapshot, views, RowCovariance(*known, patterns.index), members)
    precision = _pattern_precision(snapshot, views, patterns)
    low_rank = low_rank and _rank_is_low(views, precision)
    _set_out(snapshot, views, precision, patterns.index, members, low_rank)

    def settled(covariance: Callable[..., RowCovariance | LowRankCovariance]) -> Rows:
        rows = _given_covariance(snapshot, views, covariance(views, precision, patterns.index), members)
        for _ in range(iterations):
            changes = [change for view in views if (change := view.refine(rows)) is not None]
            if tolerance and max(map(float, changes)) <= tolerance:
                break
            rows = _given_covariance(snapshot, views, covariance(views, precision, patterns.index), members)
        return rows

    if low_rank:
        rows = settled(_low_rank_covariance)
        if cast(LowRankCovariance, rows.covariance).loss() <= LARGEST_LOSS * n:
            return rows
    return settled(_covariance_of_rows)


def _rank_is_low(views: Sequence[ViewRows], precision: Tensor) -> bool:
    """Whether the views' entries are few enough, and the patterns (P, K, K), for low-rank covariances to pay."""
    entries = sum(view.entry_precision.shape[1] for view in views if view.entry_precision is not None)
    return entries <= LARGEST_RANK * precision.shape[-1] and len(precision) <= FEW_PATTERNS


def _set_out(
    snapshot: Snapshot,
    views: Sequence[ViewRows],
    precision: Tensor,
    index: Tensor,
    groups: RowGroups,
    low_rank: bool,
) -> None:
    """Refine first given only what the views without local quantities say: one matrix for a pattern, not a row."""
    others = [view for view in views if view.entry_precision is None]
    covariance: RowCovariance | LowRankCovariance
    if low_rank:
        covariance = LowRankCovariance(precision, index, Logits.none(len(index), precision))
    else:
        covariance = RowCovariance(*PatternCovariance.of(precision), index)
    rows = _given_covariance(snapshot, others, covariance, groups)
    for view in views:
        view.refine(rows)


def _low_rank_covariance(views: Sequence[ViewRows], precision: Tensor, index: Tensor) -> LowRankCovariance:
    """Covariances of rows from precisions (P, K, K) of their patterns and what the views' entries say."""
    logits = [(view.view.weights, entries) for view in views if (entries := view.entry_precision) is not None]
    return LowRankCovariance(precision, index, Logits.of(*zip(*logits, strict=True)))


@torch.no_grad()
def row_covariance(snapshot: Snapshot, rows: Rows, without: ViewRows) -> RowCovariance:
    """Covariances of the factors if one view's latents, W̄ᵀ τ W̄, told nothing; its weights stay uncertain."""
    patterns = _patterns(rows.views, rows.groups)
    precision = _pattern_precision(snapshot, rows.views, patterns, without)
    if all(view.entry_precision is None for view in rows.views):
        return RowCovariance(*PatternCovariance.of(precision), patterns.index)
    return _covariance_of_rows(rows.views, precision, patterns.index)


def _patterns(views: Sequence[ViewRows], groups: RowGroups) -> Patterns:
    """Patterns of what the rows miss of the views that have any, and of the groups they are of."""
    masks = [view.observed.host for view in views if view.pattern is not None]
    if not masks:
        return Patterns.of(torch.ones(1, 0), torch.zeros_like(groups.host), groups)
    return Patterns.of(*group_patterns(torch.cat(masks, 1)), groups)


def _pattern_precision(
    snapshot: Snapshot, views: Sequence[ViewRows], patterns: Patterns, without: ViewRows | None = None
) -> Tensor:
    """Precisions of the factors of rows of each pattern, (P, K, K)."""
    prior = snapshot.prior_precision
    total = pack(prior)[on_device(patterns.groups, prior.device)]
    masks, start = on_device(patterns.masks.to(total.dtype), total.device), 0
    for view in views:
        if view.pattern is None:
            continue
        mask = masks[:, start : start + view.pattern.shape[1]]
        start += mask.shape[1]
        if view is without:
            total = total + mask * pack(view.view.covariance[:-1, :-1])
        else:
            total = total + view.pattern_precision(mask)
    return unpack(total, prior.shape[-1])


def _covariance_of_rows(views: Sequence[ViewRows], precision: Tensor, index: Tensor) -> RowCovariance:
    """The same, a matrix for each row."""
    total = precision[index]
    for view in views:
        if (own := view.row_precision) is not None:
            total = total + own
    every = torch.arange(len(total), device=total.device)
    return RowCovariance(*PatternCovariance.of(total), every, own=True)


def _given_covariance(
    snapshot: Snapshot,
    views: Sequence[ViewRows],
    covariance: RowCovariance | LowRankCovariance,
    groups: RowGroups,
) -> Rows:
    prior = snapshot.linear(groups)
    linear = sum((view.linear for view in views), prior.new_zeros(len(covariance.index), prior.shape[2]))
    total = prior + linear[:, None]  # (rows, C, K)
    component_factors = covariance.times(total)
    responsibilities = torch.ones_like(total[..., 0])
    if total.shape[1] > 1:
        scores = snapshot.log_weights + 0.5 * (total * component_factors).sum(-1)
        responsibilities = scores.softmax(1)
    if not isinstance(covariance, LowRankCovariance):
        return Rows(views, covariance, component_factors, responsibilities, groups)
    component_factors = covariance.refined(component_factors, responsibilities)
    return LowRankRows(views, covariance, component_factors, responsibilities, groups)
