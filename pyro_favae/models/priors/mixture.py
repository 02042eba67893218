"""Factors drawn from clusters: a mixture of Gaussians with learnt means."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from pyro.ops.indexing import Vindex
from torch import Tensor

from pyro_favae.models.declaration import require_count, require_positive
from pyro_favae.models.priors.base import FactorPrior


@dataclass(frozen=True)
class Mixture(FactorPrior):
    """g_n ~ N(m_c, I) with c_n ~ Categorical(π), m_c ~ N(0, 1/mean_precision), π ~ Dirichlet(concentration).

    The unit covariance costs nothing: weights and encoders absorb a shared one. It is what lets rows that
    fall into kinds (digits, cell types) be generated from a kind instead of from between the kinds.
    """

    group = "priors"
    n_components: int = 10
    mean_precision: float = 0.1
    concentration: float = 1.0

    def __post_init__(self) -> None:
        require_count("priors.Mixture", n_components=self.n_components)
        require_positive(
            "priors.Mixture", mean_precision=self.mean_precision, concentration=self.concentration
        )

    def sample_globals(self, n_factors: int, device) -> Mapping[str, Tensor]:
        """Emit ``proportions`` (C,) and ``component_means`` (C, K)."""
        full = torch.full((self.n_components,), self.concentration, dtype=torch.float64, device=device)
        zero = torch.zeros(n_factors, dtype=torch.float64, device=device)
        proportions = pyro.sample("proportions", dist.Dirichlet(full))
        with pyro.plate("components", self.n_components, dim=-1):
            prior = dist.Normal(zero, self.mean_precision**-0.5).to_event(1)
            means = pyro.sample("component_means", prior)
        return {"proportions": proportions, "component_means": means}

    def sample_rows(
        self, globals_: Mapping[str, Tensor], n_factors: int, device, groups: Tensor | None
    ) -> Tensor:
        """Emit ``component`` (rows,) and ``factors`` (rows, K)."""
        component = pyro.sample("component", dist.Categorical(globals_["proportions"]))
        means = Vindex(globals_["component_means"])[component, :]
        return pyro.sample("factors", dist.Normal(means, 1.0).to_event(1))
