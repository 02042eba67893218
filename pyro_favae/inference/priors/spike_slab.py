"""q of the slabs' precisions, of the shares of weights that are on, and of which are."""

import math

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import kl_divergence
from torch.special import digamma, entr

from pyro_favae.inference.priors.base import Sites, WeightPriorPosterior, weight_prior_posterior
from pyro_favae.inference.updates import (
    LOG_2PI,
    GammaPosterior,
    WeightMoments,
    gamma_divergence,
    update_gamma,
)
from pyro_favae.models.priors import SpikeSlab

ROUNDS = 5  # of updates of switches, shares and precisions given each other


class SpikeSlabPosterior(WeightPriorPosterior):
    """q(s_dk) q(α_k) q(θ_k), with w_dk | s_dk ~ N(0, 1/α_k) where on and N(0, spike²/α_k) where off.

    logit q(s = 1) = E log θ − E log(1 − θ) − log(1/spike) + ½ <α><w²>(1/spike² − 1).
    """

    shape: Tensor
    rate: Tensor
    on: Tensor
    off: Tensor
    probability: Tensor

    def __init__(self, prior: SpikeSlab, n_features: int, n_factors: int) -> None:
        super().__init__()
        self.prior = prior
        for name in ("shape", "rate", "on", "off"):
            self.register_buffer(name, torch.ones(n_factors, dtype=torch.float64))
        half = torch.full((n_features, n_factors), 0.5, dtype=torch.float64)
        self.register_buffer("probability", half)

    @property
    def slab(self) -> GammaPosterior:
        """q(α), (K,)."""
        return GammaPosterior(self.shape, self.rate)

    @property
    def precision(self) -> Tensor:
        return self._tightness * self.slab.mean

    @property
    def inclusion(self) -> Tensor:
        return self.probability

    @property
    def _tightness(self) -> Tensor:
        """Expected precision of a weight as a multiple of its slab's, (D, K)."""
        return self.probability + (1 - self.probability) * self.prior.spike**-2

    def update(self, moments: WeightMoments) -> None:
        second = moments.second
        for _ in range(ROUNDS):
            logs = digamma(self.on) - digamma(self.off) + torch.tensor(self.prior.spike).log()
            evidence = 0.5 * self.slab.mean * second * (self.prior.spike**-2 - 1)
            self.probability.copy_((logs + evidence).sigmoid())
            self.on.copy_(self.prior.on + self.probability.sum(0))
            self.off.copy_(self.prior.off + (1 - self.probability).sum(0))
            self.slab.copy_(update_gamma(self._slab_prior, len(second), (self._tightness * second).sum(0)))

    def redraw(self, sites: Sites, weights: Tensor) -> Sites:
        """Switches given slabs and shares, then these given the switches, which are left beside them."""
        second, share, slab = weights.square(), sites["inclusion"], sites["relevance"]
        logits = share.logit() + math.log(self.prior.spike)
        evidence = 0.5 * slab[..., None, :] * second * (self.prior.spike**-2 - 1)
        on = torch.bernoulli((logits[..., None, :] + evidence).sigmoid())
        tightness = on + (1 - on) * self.prior.spike**-2
        count = on.sum(-2)
        share = dist.Beta(self.prior.on + count, self.prior.off + on.shape[-2] - count).sample()
        slab = update_gamma(self._slab_prior, on.shape[-2], (tightness * second).sum(-2)).draw()
        return {"relevance": slab, "inclusion": share, "tightness": tightness}

    def given_precision(self, sites: Sites) -> Tensor:
        return sites["tightness"] * sites["relevance"][..., None, :]

    def elbo(self, moments: WeightMoments) -> Tensor:
        second = moments.second
        off = 1 - self.probability
        scale = self.slab.mean_log - 2 * off * torch.tensor(self.prior.spike).log()
        density = 0.5 * (scale - LOG_2PI - self.precision * second).sum()
        total = digamma(self.on + self.off)
        switches = self.probability * (digamma(self.on) - total) + off * (digamma(self.off) - total)
        entropy = (entr(self.probability) + entr(off)).sum()
        share = kl_divergence(dist.Beta(self.on, self.off), dist.Beta(*self._share_prior)).sum()
        return density + switches.sum() + entropy - share - gamma_divergence(self.slab, self._slab_prior)

    def rotated_elbo(self, squares: Tensor, n_features: int) -> None:
        """None: which weights are on depends on the axes."""
        return

    @property
    def _slab_prior(self) -> GammaPosterior:
        return GammaPosterior.constant(self.prior.shape, self.prior.rate, self.rate)

    @property
    def _share_prior(self) -> tuple[Tensor, Tensor]:
        return torch.full_like(self.on, self.prior.on), torch.full_like(self.off, self.prior.off)

    def sample(self, view: str, features: pyro.plate) -> None:
        with pyro.plate(f"{view}.factors", len(self.rate), dim=-1):
            pyro.sample(f"{view}.relevance", dist.Gamma(*self.slab))
            pyro.sample(f"{view}.inclusion", dist.Beta(self.on, self.off))


@weight_prior_posterior.register
def _(prior: SpikeSlab, n_features: int, n_factors: int) -> SpikeSlabPosterior:
    return SpikeSlabPosterior(prior, n_features, n_factors)
