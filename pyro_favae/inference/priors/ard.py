"""q(α) under automatic relevance determination."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.inference.priors.base import Sites, WeightPriorPosterior, weight_prior_posterior
from pyro_favae.inference.updates import (
    LOG_2PI,
    GammaPosterior,
    WeightMoments,
    gamma_divergence,
    update_gamma,
)
from pyro_favae.models.priors import ARD


class ARDPosterior(WeightPriorPosterior):
    """q(α_k) = Gamma: shape a + D/2, rate b + ½ Σ_d <w_dk²>. FA-VAE paper, Table 1."""

    prior_shape: Tensor
    prior_rate: Tensor
    shape: Tensor
    rate: Tensor

    def __init__(self, prior: ARD, n_factors: int) -> None:
        super().__init__()
        shape = torch.tensor(prior.shape, dtype=torch.float64)
        rate = torch.tensor(prior.rate, dtype=torch.float64)
        self.register_buffer("prior_shape", shape, persistent=False)
        self.register_buffer("prior_rate", rate, persistent=False)
        self.register_buffer("shape", torch.ones(n_factors, dtype=torch.float64))
        self.register_buffer("rate", torch.ones(n_factors, dtype=torch.float64))

    @property
    def prior(self) -> GammaPosterior:
        return GammaPosterior(self.prior_shape, self.prior_rate)

    @property
    def q(self) -> GammaPosterior:
        return GammaPosterior(self.shape, self.rate)

    @property
    def precision(self) -> Tensor:
        return self.q.mean

    def update(self, moments: WeightMoments) -> None:
        self.q.copy_(update_gamma(self.prior, len(moments.mean), moments.second.sum(0)))

    def redraw(self, sites: Sites, weights: Tensor) -> Sites:
        q = update_gamma(self.prior, weights.shape[-2], weights.square().sum(-2))
        return {"relevance": q.draw()}

    def given_precision(self, sites: Sites) -> Tensor:
        return sites["relevance"][:, None]

    def elbo(self, moments: WeightMoments) -> Tensor:
        second = moments.second
        q = self.q
        density = 0.5 * (len(second) * (q.mean_log - LOG_2PI) - q.mean * second.sum(0)).sum()
        return density - gamma_divergence(q, self.prior)

    def rotated_elbo(self, squares: Tensor, n_features: int) -> Tensor:
        return -(self.prior_shape + n_features / 2) * (self.prior_rate + squares / 2).log().sum()

    def sample(self, view: str, features: pyro.plate) -> None:
        with pyro.plate(f"{view}.factors", len(self.shape), dim=-1):
            pyro.sample(f"{view}.relevance", dist.Gamma(self.shape, self.rate))


@weight_prior_posterior.register
def _(prior: ARD, n_features: int, n_factors: int) -> ARDPosterior:
    return ARDPosterior(prior, n_factors)
