"""q of the precisions of a horseshoe and of their rates."""

import math

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
from pyro_favae.models.priors import Horseshoe

ROUNDS = 5  # of updates of precisions and rates given each other


class HorseshoePosterior(WeightPriorPosterior):
    """q(ℓ_dk) q(s_k) of precisions, Gamma with shapes 1 and (1 + D) / 2, and q of their Gamma rates, with shape 1."""

    factor_shape: Tensor
    factor_rate: Tensor
    factor_rate_rate: Tensor
    local_shape: Tensor
    local_rate: Tensor
    local_rate_rate: Tensor

    def __init__(self, prior: Horseshoe, n_features: int, n_factors: int) -> None:
        super().__init__()
        self.prior = prior
        for name, size in (("factor", (n_factors,)), ("local", (n_features, n_factors))):
            for part in ("shape", "rate", "rate_rate"):
                self.register_buffer(f"{name}_{part}", torch.ones(size, dtype=torch.float64))

    @property
    def factors(self) -> GammaPosterior:
        """q(s), (K,)."""
        return GammaPosterior(self.factor_shape, self.factor_rate)

    @property
    def local(self) -> GammaPosterior:
        """q(ℓ), (D, K)."""
        return GammaPosterior(self.local_shape, self.local_rate)

    @property
    def factor_rates(self) -> GammaPosterior:
        """q of the rates of s, (K,)."""
        return GammaPosterior(torch.ones_like(self.factor_rate_rate), self.factor_rate_rate)

    @property
    def local_rates(self) -> GammaPosterior:
        """q of the rates of ℓ, (D, K)."""
        return GammaPosterior(torch.ones_like(self.local_rate_rate), self.local_rate_rate)

    @property
    def precision(self) -> Tensor:
        return self.local.mean * self.factors.mean + self.prior.slab**-2

    def update(self, moments: WeightMoments) -> None:
        second = moments.second
        for _ in range(ROUNDS):
            self.local_rate_rate.copy_(1 + self.local.mean)
            self.local.copy_(update_gamma(self._given(self.local_rates), 1, self.factors.mean * second))
            self.factor_rate_rate.copy_(self.prior.scale**-2 + self.factors.mean)
            squares = (self.local.mean * second).sum(0)
            self.factors.copy_(update_gamma(self._given(self.factor_rates), len(second), squares))

    def redraw(self, sites: Sites, weights: Tensor) -> Sites:
        second, factors = weights.square(), sites["relevance"]
        half = torch.full_like(factors, 0.5)
        local_rates = GammaPosterior(torch.ones_like(second), 1 + sites["local_relevance"]).draw()
        of_local = GammaPosterior(torch.full_like(second, 0.5), local_rates)
        local = update_gamma(of_local, 1, factors[..., None, :] * second).draw()
        rates = GammaPosterior(torch.ones_like(factors), self.prior.scale**-2 + factors).draw()
        squares = (local * second).sum(-2)
        return {
            "relevance_rate": rates,
            "relevance": update_gamma(GammaPosterior(half, rates), second.shape[-2], squares).draw(),
            "local_relevance_rate": local_rates,
            "local_relevance": local,
        }

    def given_precision(self, sites: Sites) -> Tensor:
        return sites["local_relevance"] * sites["relevance"][..., None, :] + self.prior.slab**-2

    def _given(self, rates: GammaPosterior) -> GammaPosterior:
        """The prior Gamma(½, rate) at the expected rate."""
        return GammaPosterior(torch.full_like(rates.mean, 0.5), rates.mean)

    def elbo(self, moments: WeightMoments) -> Tensor:
        second = moments.second
        scales = self.local.mean_log + self.factors.mean_log
        density = 0.5 * (scales - LOG_2PI - self.local.mean * self.factors.mean * second).sum()
        slab = -0.5 * (LOG_2PI + 2 * math.log(self.prior.slab) + second / self.prior.slab**2).sum()
        one = torch.ones_like(self.factor_rate)
        total = density + slab
        total = total + self._precisions(self.local, self.local_rates)
        total = total + self._precisions(self.factors, self.factor_rates)
        total = total - gamma_divergence(self.local_rates, GammaPosterior(one / 2, one))
        return total - gamma_divergence(
            self.factor_rates, GammaPosterior(one / 2, one * self.prior.scale**-2)
        )

    def _precisions(self, q: GammaPosterior, rates: GammaPosterior) -> Tensor:
        """E log Gamma(x | ½, rate) − E log q(x), summed, over an uncertain rate."""
        slack = 0.5 * (rates.mean_log - rates.mean.log()).sum()
        return slack - gamma_divergence(q, self._given(rates))

    def rotated_elbo(self, squares: Tensor, n_features: int) -> None:
        """None: which weights are small depends on the axes."""
        return

    def sample(self, view: str, features: pyro.plate) -> None:
        with pyro.plate(f"{view}.factors", len(self.factor_rate), dim=-1):
            pyro.sample(f"{view}.relevance_rate", dist.Gamma(*self.factor_rates))
            pyro.sample(f"{view}.relevance", dist.Gamma(*self.factors))
        with features:
            pyro.sample(f"{view}.local_relevance_rate", dist.Gamma(*self.local_rates).to_event(1))
            pyro.sample(f"{view}.local_relevance", dist.Gamma(*self.local).to_event(1))


@weight_prior_posterior.register
def _(prior: Horseshoe, n_features: int, n_factors: int) -> HorseshoePosterior:
    return HorseshoePosterior(prior, n_features, n_factors)
