"""Weights of one fixed scale."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import WeightPrior


@dataclass(frozen=True)
class Normal(WeightPrior):
    """w_dk ~ N(0, 1/precision): no factor fades, none is favoured."""

    group = "priors"
    precision: float = 1.0

    def __post_init__(self) -> None:
        require_positive("priors.Normal", precision=self.precision)

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit ``{view}.weights`` (D, K)."""
        zero = torch.zeros(n_factors, dtype=torch.float64, device=device)
        with features:
            return pyro.sample(f"{view}.weights", dist.Normal(zero, self.precision**-0.5).to_event(1))
