"""Automatic relevance determination: one precision for each factor of a view."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import WeightPrior


@dataclass(frozen=True)
class ARD(WeightPrior):
    """w_dk ~ N(0, 1/α_k), α_k ~ Gamma(shape, rate): a factor that a view does not need fades from it.

    FA-VAE paper, Eqs. 4 and 5.
    """

    group = "priors"
    shape: float = 1e-3
    rate: float = 1e-3

    def __post_init__(self) -> None:
        require_positive("priors.ARD", shape=self.shape, rate=self.rate)

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit ``{view}.relevance`` (K,) and ``{view}.weights`` (D, K)."""
        shape, rate = (torch.tensor(v, dtype=torch.float64, device=device) for v in (self.shape, self.rate))
        with pyro.plate(f"{view}.factors", n_factors, dim=-1):
            relevance = pyro.sample(f"{view}.relevance", dist.Gamma(shape, rate))
        scale = relevance.clamp_min(torch.finfo(relevance.dtype).tiny) ** -0.5
        with features:
            return pyro.sample(f"{view}.weights", dist.Normal(torch.zeros_like(scale), scale).to_event(1))
