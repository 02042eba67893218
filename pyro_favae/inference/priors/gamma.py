"""q(τ) of a noise precision under a Gamma prior."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.inference.priors.base import NoisePosterior, noise_posterior
from pyro_favae.inference.updates import GammaPosterior, gamma_divergence, update_gamma
from pyro_favae.models.priors import Gamma


class GammaNoisePosterior(NoisePosterior):
    """q(τ) = Gamma: shape a + n/2, rate b + ½ Σ <(z − w̃ᵀ g̃)²>, over rows and features. FA-VAE paper, Table 1."""

    shape: Tensor
    rate: Tensor

    def __init__(self, prior: Gamma, n_features: int) -> None:
        super().__init__()
        self.declared = prior
        size = n_features if prior.per_feature else 1
        self.register_buffer("shape", torch.ones(size, dtype=torch.float64))
        self.register_buffer("rate", torch.ones(size, dtype=torch.float64))

    @property
    def q(self) -> GammaPosterior:
        return GammaPosterior(self.shape, self.rate)

    @property
    def prior(self) -> GammaPosterior:
        return GammaPosterior.constant(self.declared.shape, self.declared.rate, self.rate)

    @property
    def mean(self) -> Tensor:
        return self.q.mean

    @property
    def mean_log(self) -> Tensor:
        return self.q.mean_log

    @property
    def mean_inverse(self) -> Tensor:
        return self.q.mean_inverse

    def start(self, variance: Tensor) -> None:
        self.shape.fill_(1.0)
        self.rate.copy_(variance if self.declared.per_feature else variance.mean(0, keepdim=True))

    def scale(self, factor: Tensor) -> None:
        self.rate.div_(factor)

    def update(self, count: Tensor, squares: Tensor) -> None:
        self.q.copy_(self._given(count, squares))

    def redraw(self, count: Tensor, squares: Tensor) -> Tensor:
        return self._given(count, squares).draw()

    def _given(self, count: Tensor, squares: Tensor) -> GammaPosterior:
        """Given squares (..., D), of (..., 1) or (..., D) precisions."""
        if not self.declared.per_feature:
            count, squares = count.expand(squares.shape[-1]).sum(), squares.sum(-1, keepdim=True)
        return update_gamma(self.prior, count, squares)

    def elbo(self) -> Tensor:
        return -gamma_divergence(self.q, self.prior)

    def sample(self, view: str, features: pyro.plate) -> None:
        site = f"{view}.noise_precision"
        if not self.declared.per_feature:
            pyro.sample(site, dist.Gamma(self.shape[0], self.rate[0]))
            return
        with features:
            pyro.sample(site, dist.Gamma(self.shape, self.rate))


@noise_posterior.register
def _(prior: Gamma, n_features: int) -> GammaNoisePosterior:
    return GammaNoisePosterior(prior, n_features)
