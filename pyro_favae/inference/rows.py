"""q of the rows: q(component) q(z) q(g | z, component), exact in g given the global posterior.

Keeping q(g | z) conditional costs one K×K factorisation and leaves no factorisation error between z and g: a
view's prior is then what the *other* views say of it, not an echo of itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pyro_favae.inference.covariance import (
    PatternCovariance,
    Patterns,
    RowCovariance,
    RowGroups,
    group_patterns,
)
from pyro_favae.inference.linear_algebra import pack, unpack
from pyro_favae.inference.snapshot import Snapshot, ViewSnapshot
from pyro_favae.inference.statistics import FactorStatistics, Statistics, ViewStatistics


class ViewRows(ABC):
    """What one view says about a batch of rows, given the global posterior.

    ``mask`` is 1 where a row, or one of its entries, is observed: (rows, 1) or (rows, D), float64. Subclasses hold
    their local quantities.
    """

    def __init__(self, view: ViewSnapshot, observed: Tensor) -> None:
        self.view = view
        self.mask = observed.to(torch.float64)
        self.everywhere = bool(observed.all())

    @property
    def pattern(self) -> Tensor | None:
        """What :meth:`pattern_precision` depends on, (rows, width) of 0 and 1; None if nothing."""
        return None

    def pattern_precision(self, patterns: Tensor) -> Tensor:
        """Precision that rows of given patterns (P, width) add to the factors, (P, K, K)."""
        raise NotImplementedError(f"{type(self).__name__} has no pattern")

    @property
    def row_precision(self) -> Tensor | None:
        """Precision that each row adds besides that of its pattern, (rows, K, K); None if nothing."""
        return None

    @property
    def latent_variance(self) -> Tensor | None:
        """Variance (rows, D) of z that is independent of g under q; zero in missing rows."""
        return None

    @property
    @abstractmethod
    def linear(self) -> Tensor:
        """Precision-weighted mean that a row adds to the factors, (rows, K); zero in missing rows."""

    @abstractmethod
    def latent_means(self, rows: "Rows") -> Tensor:
        """Posterior means of the view's latents, (rows, D)."""

    def refine(self, rows: "Rows") -> float:
        """Improve local quantities given q(g); returns their largest relative change."""
        return 0.0

    @abstractmethod
    def statistics(self, rows: "Rows") -> ViewStatistics:
        """Sums over what is observed."""


@dataclass(frozen=True)
class Rows:
    """q(g_n) = Σ_c responsibilities_nc N(component_factors_nc, Cov_n), plus what unsure latents add."""

    views: Sequence[ViewRows]
    covariance: RowCovariance
    component_factors: Tensor  # (rows, C, K)
    responsibilities: Tensor  # (rows, C)
    groups: RowGroups

    @cached_property
    def factors(self) -> Tensor:
        """Posterior means of the factors, (rows, K)."""
        if self.responsibilities.shape[1] == 1:
            return self.component_factors[:, 0]
        return (self.responsibilities[:, None, :] @ self.component_factors)[:, 0]

    def component_spread(self) -> Tensor:
        """Posterior covariances of the factors within any one component, (rows, K, K)."""
        total = self.covariance.matrices[self.covariance.index]
        for view in self.views:
            if view.latent_variance is not None:
                gain = self.gain(view)[self.covariance.index]
                total = total + (gain * view.latent_variance[:, None, :]) @ gain.mT
        return total

    def spread(self) -> Tensor:
        """Full posterior covariances of the factors, (rows, K, K)."""
        total = self.component_spread()
        if self.responsibilities.shape[1] > 1:
            deviation = self.component_factors - self.factors[:, None]
            total = total + (deviation * self.responsibilities[..., None]).mT @ deviation
        return total

    @cached_property
    def moments(self) -> Tensor:
        """<g̃ g̃ᵀ> of each row, packed, (rows, L (L + 1) / 2)."""
        g = self.factors
        second = torch.baddbmm(self.spread(), g[:, :, None], g[:, None, :])
        return torch.cat([pack(second), g, g.new_ones(len(g), 1)], 1)

    def gain(self, view: ViewRows) -> Tensor:
        """How the mean of g follows a view's latents, Cov τ W̄ᵀ, (P, K, D)."""
        return self.covariance.matrices @ view.view.scaled_weights.mT

    def weighted_moments(self, weights: Tensor) -> Tensor:
        """Σ_n weights_nd <g̃_n g̃_nᵀ> for weights (rows, D): (D, L, L)."""
        return unpack(weights.mT @ self.moments, self.factors.shape[1] + 1)

    @cached_property
    def total_moments(self) -> Tensor:
        """Σ_n <g̃_n g̃_nᵀ>, (L, L)."""
        return self._masked_moments(torch.ones_like(self.responsibilities[:, 0]))

    def group_moments(self) -> Tensor:
        """Σ <g̃_n g̃_nᵀ> over the rows of each group, (G, L, L); of few patterns without a matrix for each row."""
        members = self.groups.members
        if self.covariance.few:
            return torch.stack([self._masked_moments(member) for member in members.mT])
        return self.weighted_moments(members)

    def observed_moments(self, view: ViewRows) -> Tensor:
        """Σ <g̃_n g̃_nᵀ> over a view's observed rows, (1, L, L), or over those of each feature, (D, L, L)."""
        if view.everywhere:
            return self.total_moments[None]
        if view.mask.shape[1] == 1:
            return self._masked_moments(view.mask[:, 0])[None]
        return self.weighted_moments(view.mask)

    def _masked_moments(self, mask: Tensor) -> Tensor:
        counts = self.covariance.totals(mask)
        gg = (counts @ self.covariance.matrices.flatten(1)).unflatten(0, self.covariance.matrices.shape[1:])
        for view in self.views:
            if view.latent_variance is not None:
                totals = self.covariance.totals(mask[:, None] * view.latent_variance)
                gain = self.gain(view)
                gg = gg + torch.einsum("pkd,pd,pld->kl", gain, totals, gain)
        flat = self.component_factors.flatten(0, 1)
        gg = gg + (flat * (mask[:, None] * self.responsibilities).reshape(-1, 1)).mT @ flat
        g = (mask @ self.factors)[:, None]
        return torch.cat([torch.cat([gg, g], 1), torch.cat([g.mT, mask.sum().reshape(1, 1)], 1)])

    def statistics(self) -> Statistics:
        """Sums over the rows."""
        gg = self.total_moments
        factors = FactorStatistics(
            n=gg[-1, -1],
            g=gg[:-1, -1],
            gg=gg[:-1, :-1],
            log_determinant=self.covariance.log_determinants.sum(),
            counts=self.responsibilities.sum(0),
            component_g=torch.einsum("nc,nck->ck", self.responsibilities, self.component_factors),
            component_entropy=torch.special.entr(self.responsibilities).sum(),
            groups=self.group_moments() if self.groups.count > 1 else None,
        )
        return Statistics(tuple(view.statistics(self) for view in self.views), factors)


@torch.no_grad()
def infer_rows(
    snapshot: Snapshot,
    views: Sequence[ViewRows],
    n: int,
    *,
    iterations: int,
    tolerance: float = 1e-6,
    groups: Tensor | None = None,
) -> Rows:
    """Closed-form q of a batch of n rows; ``iterations`` bounds the local steps of views that have any.

    Λ_n = λ_n + Σ_m <τ WᵀW>, ḡ_n = Λ_n⁻¹ (λ_n m_c + Σ_m τ (W̄ᵀ z̄ − <Wᵀ b>)), summed over what is observed of the row,
    λ_n the identity or the precision of the row's group. groups: which each row is of, (rows,), None if not known.
    """
    members = snapshot.row_groups(groups, n)
    patterns = _patterns(views, members)
    if all(view.row_precision is None for view in views):
        key = tuple((id(view.view), view.pattern.shape[1]) for view in views)
        known = snapshot.covariance(key, patterns, lambda: _pattern_precision(snapshot, views, patterns))
        return _given_covariance(snapshot, views, RowCovariance(*known, patterns.index), members)
    precision = _pattern_precision(snapshot, views, patterns)
    _set_out(snapshot, views, RowCovariance(*PatternCovariance.of(precision), patterns.index), members)
    base = precision[patterns.index]
    rows = _given_covariance(snapshot, views, _covariance_of_rows(views, base), members)
    for _ in range(iterations):
        if max(view.refine(rows) for view in views) <= tolerance:
            break
        rows = _given_covariance(snapshot, views, _covariance_of_rows(views, base), members)
    return rows


def _set_out(
    snapshot: Snapshot, views: Sequence[ViewRows], covariance: RowCovariance, groups: RowGroups
) -> None:
    """Refine first given only what the views without local quantities say: one matrix for a pattern, not a row."""
    others = [view for view in views if view.row_precision is None]
    rows = _given_covariance(snapshot, others, covariance, groups)
    for view in views:
        view.refine(rows)


@torch.no_grad()
def row_covariance(snapshot: Snapshot, rows: Rows, without: ViewRows) -> RowCovariance:
    """Covariances of the factors if one view's latents, W̄ᵀ τ W̄, told nothing; its weights stay uncertain."""
    patterns = _patterns(rows.views, rows.groups)
    precision = _pattern_precision(snapshot, rows.views, patterns, without)
    if all(view.row_precision is None for view in rows.views):
        return RowCovariance(*PatternCovariance.of(precision), patterns.index)
    return _covariance_of_rows(rows.views, precision[patterns.index])


def _patterns(views: Sequence[ViewRows], groups: RowGroups) -> Patterns:
    """Patterns of what the rows miss of the views that have any, and of the groups they are of."""
    masks = [view.pattern for view in views if view.pattern is not None]
    if not masks:
        index = torch.zeros_like(groups.index)
        return Patterns.of(torch.ones(1, 0, device=index.device), index, groups)
    return Patterns.of(*group_patterns(torch.cat(masks, 1)), groups)


def _pattern_precision(
    snapshot: Snapshot, views: Sequence[ViewRows], patterns: Patterns, without: ViewRows | None = None
) -> Tensor:
    """Precisions of the factors of rows of each pattern, (P, K, K)."""
    total = snapshot.prior_precision[patterns.groups]
    start = 0
    for view in views:
        if view.pattern is None:
            continue
        mask = patterns.masks[:, start : start + view.pattern.shape[1]]
        start += mask.shape[1]
        if view is without:
            total = total + mask[..., None] * view.view.covariance[:-1, :-1]
        else:
            total = total + view.pattern_precision(mask)
    return total


def _covariance_of_rows(views: Sequence[ViewRows], base: Tensor) -> RowCovariance:
    """One matrix for each row, from precisions (rows, K, K) of their patterns and what the views add to each."""
    precision = base
    for view in views:
        if view.row_precision is not None:
            precision = precision + view.row_precision
    index = torch.arange(len(base), device=base.device)
    return RowCovariance(*PatternCovariance.of(precision), index)


def _given_covariance(
    snapshot: Snapshot, views: Sequence[ViewRows], covariance: RowCovariance, groups: RowGroups
) -> Rows:
    prior = snapshot.linear(groups)
    linear = sum((view.linear for view in views), prior.new_zeros(len(covariance.index), prior.shape[2]))
    total = prior + linear[:, None]  # (rows, C, K)
    component_factors = covariance.times(total)
    if total.shape[1] == 1:
        return Rows(views, covariance, component_factors, torch.ones_like(total[..., 0]), groups)
    scores = snapshot.log_weights + 0.5 * (total * component_factors).sum(-1)
    return Rows(views, covariance, component_factors, scores.softmax(1), groups)
