"""q of the components' means and proportions when factors come from a mixture."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.special import digamma

from pyro_favae.inference.priors.base import FactorPosterior, Quadratic, factor_posterior
from pyro_favae.inference.statistics import FactorStatistics
from pyro_favae.inference.updates import LOG_2PI, gaussian_entropy
from pyro_favae.models.priors import Mixture


class MixturePosterior(FactorPosterior):
    """q(m_c) = N, q(π) = Dirichlet: the closed forms of a Gaussian mixture of unit covariance."""

    means: Tensor
    covariance: Tensor
    dirichlet: Tensor

    def __init__(self, prior: Mixture, n_factors: int) -> None:
        super().__init__()
        self.prior = prior
        c, k = prior.n_components, n_factors
        eye = torch.eye(k, dtype=torch.float64) / prior.mean_precision
        self.register_buffer("means", torch.zeros(c, k, dtype=torch.float64))
        self.register_buffer("covariance", eye.expand(c, k, k).clone())
        self.register_buffer("dirichlet", torch.full((c,), prior.concentration, dtype=torch.float64))

    @property
    def component_means(self) -> Tensor:
        return self.means

    @property
    def log_weights(self) -> Tensor:
        return self._mean_log_proportions - 0.5 * self._squared_norms

    @property
    def _mean_log_proportions(self) -> Tensor:
        return digamma(self.dirichlet) - digamma(self.dirichlet.sum())

    @property
    def _squared_norms(self) -> Tensor:
        """E |m_c|², (C,)."""
        return self.means.square().sum(1) + self.covariance.diagonal(dim1=-2, dim2=-1).sum(1)

    def place(self, means: Tensor) -> None:
        """Put the components at given means (C, K), equally likely, to start learning from there."""
        self.means.copy_(means)
        self.covariance.copy_(torch.eye(means.shape[1]).to(means) * 1e-2)
        self.dirichlet.fill_(self.prior.concentration)

    def update(self, statistics: FactorStatistics) -> None:
        precision = self.prior.mean_precision + statistics.counts
        self.means.copy_(statistics.component_g / precision[:, None])
        eye = torch.eye(self.means.shape[1]).to(self.means)
        self.covariance.copy_(eye / precision[:, None, None])
        self.dirichlet.copy_(self.prior.concentration + statistics.counts)

    def elbo(self, statistics: FactorStatistics) -> dict[str, Tensor]:
        c, k = self.means.shape
        squares = statistics.gg.trace() - 2 * (self.means * statistics.component_g).sum()
        squares = squares + (statistics.counts * self._squared_norms).sum()
        factors = -0.5 * (statistics.n * k * LOG_2PI + squares)
        assignment = (statistics.counts * self._mean_log_proportions).sum() + statistics.component_entropy
        kappa = self.means.new_tensor(self.prior.mean_precision)
        means = 0.5 * c * k * (kappa.log() - LOG_2PI) - 0.5 * kappa * self._squared_norms.sum()
        means = means + gaussian_entropy(self.covariance)
        prior = dist.Dirichlet(torch.full_like(self.dirichlet, self.prior.concentration))
        divergence = torch.distributions.kl_divergence(dist.Dirichlet(self.dirichlet), prior)
        return {"factors": factors, "components": assignment + means - divergence}

    def centring(self, statistics: FactorStatistics) -> tuple[float, Tensor]:
        kappa = self.prior.mean_precision
        return kappa * len(self.means), kappa * self.means.sum(0)

    def rotation(self, statistics: FactorStatistics) -> Quadratic:
        cross = statistics.component_g.mT @ self.means
        weights = statistics.counts + self.prior.mean_precision
        means = (self.means.mT * weights) @ self.means
        means = means + torch.einsum("c,ckl->kl", weights, self.covariance)
        return Quadratic(float(statistics.n) + len(self.means), statistics.gg - cross - cross.mT + means)

    def transform(self, change: Tensor) -> None:
        matrix, shift = change[:-1, :-1], change[:-1, -1]
        self.means.copy_(self.means @ matrix.mT + shift)
        self.covariance.copy_(matrix @ self.covariance @ matrix.mT)

    def sample(self) -> None:
        pyro.sample("proportions", dist.Dirichlet(self.dirichlet))
        with pyro.plate("components", len(self.means), dim=-1):
            pyro.sample("component_means", dist.MultivariateNormal(self.means, self.covariance))

    def sample_component(self, responsibilities: Tensor) -> Tensor:
        return pyro.sample("component", dist.Categorical(responsibilities))


@factor_posterior.register
def _(prior: Mixture, n_factors: int) -> MixturePosterior:
    return MixturePosterior(prior, n_factors)
