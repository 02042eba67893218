"""q of the groups' means and scales when rows belong to known groups."""

import math
from typing import cast

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.inference.linear_algebra import inverse_of_precision
from pyro_favae.inference.priors.base import FactorPosterior, Quadratic, Scaled, factor_posterior
from pyro_favae.inference.statistics import FactorStatistics
from pyro_favae.inference.updates import LOG_2PI, GammaPosterior, gamma_divergence, gaussian_entropy
from pyro_favae.models.priors import Grouped


class GroupedPosterior(FactorPosterior):
    """q(m_c) = N(means_c, covariance_c), q(λ_ck) = Gamma(shape + N_c / 2, rate + ½ scatter_ckk).

    scatter_c = Σ_n <(g_n − m_c)(g_n − m_c)ᵀ> is kept whole: that is how the scales follow a rotation of the factors,
    at their optimum before and after.
    """

    counts: Tensor
    means: Tensor
    covariance: Tensor
    scatter: Tensor

    def __init__(self, prior: Grouped, n_factors: int) -> None:
        super().__init__()
        self.prior = prior
        g, k = len(prior.groups), n_factors
        eye = torch.eye(k, dtype=torch.float64).expand(g, k, k)
        self.register_buffer("counts", torch.ones(g, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(g, k, dtype=torch.float64))
        self.register_buffer("covariance", eye / prior.mean_precision)
        self.register_buffer("scatter", eye.clone())

    @property
    def precisions(self) -> GammaPosterior:
        """q(λ), (G, K)."""
        rate = self.prior.rate + self.scatter.diagonal(dim1=-2, dim2=-1) / 2
        return GammaPosterior((self.prior.shape + self.counts / 2)[:, None].expand_as(rate), rate)

    @property
    def component_means(self) -> Tensor:
        return (self._shares @ self.means)[None]

    @property
    def log_weights(self) -> Tensor:
        return self.means.new_zeros(1)

    @property
    def prior_precision(self) -> Tensor:
        return torch.cat([torch.diag_embed(self.precisions.mean), self._mixed_precision[None]])

    @property
    def prior_means(self) -> Tensor:
        return torch.cat([self.means, self.component_means])[:, None]

    @property
    def _shares(self) -> Tensor:
        return self.counts / self.counts.sum()

    @property
    def _mixed_precision(self) -> Tensor:
        """Of the Gaussian that has the moments of all groups mixed, (K, K)."""
        deviation = self.means - self.component_means
        within = torch.diag(self._shares @ (1 / self.precisions.mean))
        return inverse_of_precision(within + (deviation.mT * self._shares) @ deviation, "factors")

    def update(self, statistics: FactorStatistics) -> None:
        n, g, _ = _parts(statistics)
        scales = self.precisions.mean
        precision = self.prior.mean_precision + n[:, None] * scales
        self.means.copy_(scales * g / precision)
        self.covariance.copy_(torch.diag_embed(1 / precision))
        self.update_scales(statistics)

    def update_scales(self, statistics: FactorStatistics) -> None:
        """Set q(λ) to its optimum given the means."""
        self.counts.copy_(_parts(statistics)[0])
        self.scatter.copy_(self._scatter(statistics))

    def elbo(self, statistics: FactorStatistics) -> dict[str, Tensor]:
        n, q, kappa = _parts(statistics)[0][:, None], self.precisions, self.prior.mean_precision
        squares = self._scatter(statistics).diagonal(dim1=-2, dim2=-1)
        factors = 0.5 * (n * (q.mean_log - LOG_2PI) - q.mean * squares).sum()
        logs = self.means.numel() * (math.log(kappa) - LOG_2PI)
        means = 0.5 * (logs - kappa * self._mean_moment.trace()) + gaussian_entropy(self.covariance)
        prior = GammaPosterior.constant(self.prior.shape, self.prior.rate, q.rate)
        return {"factors": factors, "groups": means - gamma_divergence(q, prior)}

    def centring(self, statistics: FactorStatistics) -> tuple[float, Tensor]:
        kappa = self.prior.mean_precision
        return kappa * len(self.means), kappa * self.means.sum(0)

    def rotation(self, statistics: FactorStatistics) -> Quadratic:
        shapes = self.prior.shape + _parts(statistics)[0] / 2
        return Quadratic(
            float(statistics.n) + len(self.means),
            self.prior.mean_precision * self._mean_moment,
            Scaled(self._scatter(statistics), shapes, self.prior.rate),
        )

    def transform(self, change: Tensor) -> None:
        matrix, shift = change[:-1, :-1], change[:-1, -1]
        self.means.copy_(self.means @ matrix.mT + shift)
        self.covariance.copy_(matrix @ self.covariance @ matrix.mT)
        self.scatter.copy_(matrix @ self.scatter @ matrix.mT)

    def sample(self) -> None:
        q = self.precisions
        with pyro.plate("groups", len(self.means), dim=-1):
            pyro.sample("group_means", dist.MultivariateNormal(self.means, self.covariance))
            pyro.sample("group_precisions", dist.Gamma(q.shape, q.rate).to_event(1))

    def sample_component(self, responsibilities: Tensor) -> None:
        return

    @property
    def _mean_moment(self) -> Tensor:
        """Σ_c <m_c m_cᵀ>, (K, K)."""
        return self.means.mT @ self.means + self.covariance.sum(0)

    def _scatter(self, statistics: FactorStatistics) -> Tensor:
        """Σ_n <(g_n − m_c)(g_n − m_c)ᵀ> of each group, (G, K, K)."""
        n, g, gg = _parts(statistics)
        cross = g[:, :, None] * self.means[:, None, :]
        second = self.means[:, :, None] * self.means[:, None, :] + self.covariance
        return gg - cross - cross.mT + n[:, None, None] * second


def _parts(statistics: FactorStatistics) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (G,), Σ <g> (G, K) and Σ <g gᵀ> (G, K, K) of each group."""
    moments = cast(Tensor, statistics.groups)  # which the rows of a prior with groups have
    return moments[:, -1, -1], moments[:, :-1, -1], moments[:, :-1, :-1]


@factor_posterior.register
def _(prior: Grouped, n_factors: int) -> GroupedPosterior:
    return GroupedPosterior(prior, n_factors)
