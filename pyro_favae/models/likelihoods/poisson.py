"""Counts whose variance is their mean."""

from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.likelihoods.base import Likelihood, LikelihoodModule, Support
from pyro_favae.models.likelihoods.count import CountModule


@dataclass(frozen=True)
class Poisson(Likelihood):
    """x ~ Poisson(exp(decoder(z))) for each entry: whole numbers from 0 on; the encoder is given log(1 + x)."""

    group = "likelihoods"

    @property
    def support(self) -> Support:
        return "count"

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _PoissonModule()


class _PoissonModule(CountModule):
    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Poisson(self.mean(decoded), validate_args=False)

    @torch.no_grad()
    def draw(self, decoded: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.poisson(self.mean(decoded), generator=generator)
