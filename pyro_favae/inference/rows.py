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

from pyro_favae.inference.covariance import RowCovariance
from pyro_favae.inference.linear_algebra import inverse_of_precision
from pyro_favae.inference.posterior import Posterior, ViewPosterior
from pyro_favae.inference.statistics import FactorStatistics, Statistics, ViewStatistics


class ViewRows(ABC):
    """What one view says about a batch of rows, given the global posterior.

    ``mask`` is 1 where a row has the view, (rows,), float64. Subclasses hold their local quantities.
    """

    def __init__(self, posterior: ViewPosterior, observed: Tensor) -> None:
        self.mask = observed.to(torch.float64)
        self.weights = posterior.weights
        self.noise = posterior.noise.mean.expand(len(self.weights.mean))
        self.scaled_weights = self.noise[:, None] * self.weights.weights  # τ W̄, (D, K)
        self.weighted_covariance = self.weights.weighted_covariance(self.noise)
        #: Σ_d τ_d <w̃_d w̃_dᵀ>, (L, L), and its part Σ_d τ_d <w_d b_d>, (K,)
        self.weighted_second_moment = self.weights.weighted_second_moment(self.noise)
        self.weights_bias = self.weighted_second_moment[:-1, -1]

    @property
    @abstractmethod
    def precision(self) -> Tensor:
        """Precision that an observed row adds to the factors, whatever the row, (K, K)."""

    @property
    def row_precision(self) -> Tensor | None:
        """Weights (rows, D) of W̄ᵀ diag(·) W̄, added to the precision of each row; zero in missing rows."""
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
    def statistics(self, rows: "Rows", gg: Tensor) -> ViewStatistics:
        """Sums over the observed rows, of which Σ <g̃ g̃ᵀ> is given."""


@dataclass(frozen=True)
class Rows:
    """q(g_n) = Σ_c responsibilities_nc N(component_factors_nc, Cov_n), plus what unsure latents add."""

    views: Sequence[ViewRows]
    covariance: RowCovariance
    component_factors: Tensor  # (rows, C, K)
    responsibilities: Tensor  # (rows, C)

    @cached_property
    def factors(self) -> Tensor:
        """Posterior means of the factors, (rows, K)."""
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
            deviation = self._deviation
            total = total + (deviation * self.responsibilities[..., None]).mT @ deviation
        return total

    def projected_spread(self, weights: Tensor) -> Tensor:
        """weights @ spread, (rows, D, K), for weights (D, K), without forming the spread."""
        total = (weights @ self.covariance.matrices)[self.covariance.index]
        for view in self.views:
            if view.latent_variance is not None:
                gain = self.gain(view)
                scaled = (weights @ gain)[self.covariance.index] * view.latent_variance[:, None, :]
                total = total + scaled @ gain[self.covariance.index].mT
        if self.responsibilities.shape[1] > 1:
            projected = (self._deviation @ weights.mT) * self.responsibilities[..., None]
            total = total + projected.mT @ self._deviation
        return total

    @cached_property
    def _deviation(self) -> Tensor:
        return self.component_factors - self.factors[:, None]

    def gain(self, view: ViewRows) -> Tensor:
        """How the mean of g follows a view's latents, Cov τ W̄ᵀ, (P, K, D)."""
        return self.covariance.matrices @ view.scaled_weights.mT

    def second_moment(self, mask: Tensor) -> Tensor:
        """Σ_n mask_n <g̃_n g̃_nᵀ>, (L, L)."""
        counts = self.covariance.totals(mask)
        gg = torch.einsum("p,pkl->kl", counts, self.covariance.matrices)
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
        everything = torch.ones_like(self.responsibilities[:, 0])
        gg = self.second_moment(everything)
        factors = FactorStatistics(
            n=everything.sum(),
            g=gg[:-1, -1],
            gg=gg[:-1, :-1],
            log_determinant=self.covariance.log_determinants().sum(),
            counts=self.responsibilities.sum(0),
            component_g=torch.einsum("nc,nck->ck", self.responsibilities, self.component_factors),
            component_entropy=torch.special.entr(self.responsibilities).sum(),
        )
        views = tuple(
            view.statistics(self, gg if bool(view.mask.all()) else self.second_moment(view.mask))
            for view in self.views
        )
        return Statistics(views, factors)


@torch.no_grad()
def infer_rows(
    posterior: Posterior, views: Sequence[ViewRows], n: int, *, iterations: int, tolerance: float = 1e-6
) -> Rows:
    """Closed-form q of a batch of n rows; ``iterations`` bounds the local steps of views that have any.

    Λ_n = I + Σ_m <τ WᵀW>, ḡ_n = Λ_n⁻¹ (m_c + Σ_m τ (W̄ᵀ z̄ − <Wᵀ b>)), summed over the views the row has.
    """
    base = pattern_covariance(posterior, views, n)
    rows = _given_local(posterior, views, base)
    for _ in range(iterations):
        if max((view.refine(rows) for view in views), default=0.0) <= tolerance:
            break
        rows = _given_local(posterior, views, base)
    return rows


def pattern_covariance(
    posterior: Posterior, views: Sequence[ViewRows], n: int, without: ViewRows | None = None
) -> RowCovariance:
    """Covariances of the factors from what does not depend on the row: one for each missing-view pattern.

    ``without`` leaves out what one view's latents tell, W̄ᵀ τ W̄, but not the uncertainty of its weights.
    """
    means = posterior.factors.component_means
    eye = torch.eye(means.shape[1]).to(means)
    if not views:
        return RowCovariance(eye[None], torch.zeros(n, dtype=torch.long, device=means.device))
    patterns, index = torch.unique(torch.stack([view.mask for view in views], 1), dim=0, return_inverse=True)
    added = torch.stack(
        [view.weighted_covariance[:-1, :-1] if view is without else view.precision for view in views]
    )
    precision = eye + torch.einsum("pm,mkl->pkl", patterns, added)
    return RowCovariance(inverse_of_precision(precision, "factors"), index)


def row_covariance(views: Sequence[ViewRows], base: RowCovariance) -> RowCovariance:
    """Covariances once what depends on the row is added to those of its pattern."""
    bounded = [view for view in views if view.row_precision is not None]
    if not bounded:
        return base
    factor = torch.cat([view.weights.weights for view in bounded])
    weights = torch.cat([view.row_precision for view in bounded], 1)
    return base.conditioned(factor, weights)


def _given_local(posterior: Posterior, views: Sequence[ViewRows], base: RowCovariance) -> Rows:
    means = posterior.factors.component_means
    covariance = row_covariance(views, base)
    linear = sum((view.linear for view in views), means.new_zeros(len(base.index), means.shape[1]))
    total = means + linear[:, None]  # (rows, C, K)
    component_factors = covariance.times(total)
    scores = posterior.factors.log_weights + 0.5 * (total * component_factors).sum(-1)
    return Rows(views, covariance, component_factors, scores.softmax(1))
