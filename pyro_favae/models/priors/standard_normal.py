"""Standard normal factors."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.priors.base import FactorPrior


@dataclass(frozen=True)
class StandardNormal(FactorPrior):
    """g_n ~ N(0, I). FA-VAE paper, Eq. 3."""

    group = "priors"

    def sample_globals(self, n_factors: int, device) -> Mapping[str, Tensor]:
        """Nothing is shared by the rows."""
        return {}

    def sample_rows(
        self, globals_: Mapping[str, Tensor], n_factors: int, device, groups: Tensor | None
    ) -> Tensor:
        """Emit ``factors`` (rows, K)."""
        zero = torch.zeros(n_factors, dtype=torch.float64, device=device)
        return pyro.sample("factors", dist.Normal(zero, 1.0).to_event(1))
