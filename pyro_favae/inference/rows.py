"""q of the rows: q(component) q(z) q(g | z, component), exact in g given the global posterior.

Keeping q(g | z) conditional costs one K×K factorisation and leaves no factorisation error between z and g: a
view's prior is then what the *other* views say of it, not an echo of itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from pyro_favae.data.observed import Observed
from pyro_favae.inference.covariance import FactorCovariance, RowGroups
from pyro_favae.inference.linear_algebra import pack, unpack
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.statistics import FactorStatistics, Statistics, ViewStatistics


class ViewRows(ABC):
    """What one view says about a batch of rows, given the global posterior.

    ``mask`` is 1 where a row, or one of its entries, is observed: (rows, 1) or (rows, D), float64. Subclasses hold
    their local quantities.
    """

    def __init__(self, view: ViewSnapshot, observed: Tensor | Observed) -> None:
        self.view, self.observed = view, Observed.of(observed)
        self.mask = self.observed.mask.to(torch.float64)
        self.everywhere = self.observed.everywhere

    @property
    def pattern(self) -> Tensor | None:
        """What :meth:`pattern_precision` depends on: the mask, or nothing, None."""
        return None

    def pattern_precision(self, patterns: Tensor) -> Tensor:
        """Precision that rows of given patterns (P, width) add to the factors, packed, (P, K (K + 1) / 2)."""
        raise NotImplementedError(f"{type(self).__name__} has no pattern")

    @property
    def entry_precision(self) -> Tensor | None:
        """Precision (rows, D) with which each entry sees w̃ᵀ g̃, besides that of its row's pattern; None if nothing."""
        return None

    @property
    def row_precision(self) -> Tensor | None:
        """What it adds to the precision of the factors, Σ_d entry precision_nd <w_d w_dᵀ>, (rows, K, K)."""
        entries = self.entry_precision
        return None if entries is None else self.view.weighted(entries)[:, :-1, :-1]

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

    def refine(self, rows: "Rows") -> Tensor | None:
        """Improve local quantities given q(g); returns their largest relative change, (), None for none at all."""
        return None

    @abstractmethod
    def statistics(self, rows: "Rows") -> ViewStatistics:
        """Sums over what is observed."""


@dataclass(frozen=True)
class Rows:
    """q(g_n) = Σ_c responsibilities_nc N(component_factors_nc, Cov_n), plus what unsure latents add."""

    views: Sequence[ViewRows]
    covariance: FactorCovariance
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
        total = self.covariance.of_rows(self.covariance.matrices)
        for view in self.views:
            if view.latent_variance is not None:
                gain = self.covariance.of_rows(self.gain(view))
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

    def squares(self, view: ViewRows) -> Tensor:
        """<(w̃_dᵀ g̃_n)²> of a view's features, (rows, D)."""
        return view.view.squares(self.moments)

    def latents_with_factors(self, view: ViewRows) -> Tensor:
        """Σ_n Cov(z_n, g_n) of a view whose latents are unsure, (D, K)."""
        return torch.einsum(
            "pd,pkd->dk", self.covariance.totals(cast(Tensor, view.latent_variance)), self.gain(view)
        )

    def weighted_moments(self, weights: Tensor) -> Tensor:
        """Σ_n weights_nd <g̃_n g̃_nᵀ> for weights (rows, D): (D, L, L)."""
        return unpack(weights.mT @ self.moments, self.factors.shape[1] + 1)

    @cached_property
    def total_moments(self) -> Tensor:
        """Σ_n <g̃_n g̃_nᵀ>, (L, L)."""
        return self._masked_moments(torch.ones_like(self.responsibilities[:, 0]))

    def group_moments(self) -> Tensor:
        """Σ <g̃_n g̃_nᵀ> over the rows of each group, (G, L, L)."""
        members = self.groups.members
        if self.covariance.own:
            return self.weighted_moments(members)
        return torch.stack([self._masked_moments(member) for member in members.mT])

    def observed_moments(self, view: ViewRows) -> Tensor:
        """Σ <g̃_n g̃_nᵀ> over a view's observed rows, (1, L, L), or over those of each feature, (D, L, L)."""
        if view.everywhere:
            return self.total_moments[None]
        if view.mask.shape[1] == 1:
            return self._masked_moments(view.mask[:, 0])[None]
        return self.weighted_moments(view.mask)

    def _masked_moments(self, mask: Tensor) -> Tensor:
        if self.covariance.own:  # where each row's moments are at hand
            return self.weighted_moments(mask[:, None])[0]
        counts = self.covariance.totals(mask)
        gg = (counts @ self.covariance.matrices.flatten(1)).unflatten(0, self.covariance.matrices.shape[1:])
        for view in self.views:
            if view.latent_variance is not None:
                totals = self.covariance.totals(mask[:, None] * view.latent_variance)
                gain = (
                    self.gain(view).transpose(0, 1).flatten(1)
                )  # one product over patterns and latents, (K, P D)
                gg = gg + (gain * totals.flatten()) @ gain.mT
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
