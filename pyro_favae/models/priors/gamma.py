"""Gamma prior of a noise precision."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.declaration import require_flag, require_positive
from pyro_favae.models.priors.base import NoisePrior


@dataclass(frozen=True)
class Gamma(NoisePrior):
    """τ ~ Gamma(shape, rate), mean shape / rate: one precision a view, or one a feature, of the latents.

    FA-VAE paper, Section 2.1. The default is nearly flat; prior-predictive checks and NUTS need a proper
    one such as ``Gamma(2, 2)``.
    """

    group = "priors"
    shape: float = 1e-3
    rate: float = 1e-3
    per_feature: bool = False

    def __post_init__(self) -> None:
        require_positive("priors.Gamma", shape=self.shape, rate=self.rate)
        require_flag("priors.Gamma", per_feature=self.per_feature)

    def sample(self, site: str, features: pyro.plate, unit: Tensor | None, device) -> Tensor:
        shape, rate = (torch.tensor(v, dtype=torch.float64, device=device) for v in (self.shape, self.rate))
        if not self.per_feature:
            return pyro.sample(site, dist.Gamma(shape, rate))
        with features:
            return pyro.sample(site, dist.Gamma(shape, rate))
