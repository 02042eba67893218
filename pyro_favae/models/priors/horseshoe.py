"""Weights that are near zero or far from it."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import WeightPrior


@dataclass(frozen=True)
class Horseshoe(WeightPrior):
    """w_dk ~ N(0, λ²_dk σ²_k) held within N(0, slab²), λ ~ C⁺(0, 1), σ_k ~ C⁺(0, scale).

    The half-Cauchys are written as Gammas of Gammas, of precisions ℓ = 1/λ² and s = 1/σ², so that every update has
    a closed form (Makalic and Schmidt 2016). The slab regularises as if each weight had been seen at zero once with
    standard deviation ``slab``, which keeps what escapes shrinkage finite (Piironen and Vehtari 2017, in the form of
    Nishimura and Suchard 2023).
    """

    group = "priors"
    scale: float = 1.0
    slab: float = 10.0

    def __post_init__(self) -> None:
        require_positive("priors.Horseshoe", scale=self.scale, slab=self.slab)

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit ``{view}.relevance`` (K,), ``local_relevance`` and ``weights`` (D, K), and both relevances' rates."""
        half = torch.full((n_factors,), 0.5, dtype=torch.float64, device=device)
        inverse_square = torch.tensor(self.scale**-2, dtype=torch.float64, device=device)
        with pyro.plate(f"{view}.factors", n_factors, dim=-1):
            rate = pyro.sample(f"{view}.relevance_rate", dist.Gamma(half[0], inverse_square))
            relevance = pyro.sample(f"{view}.relevance", dist.Gamma(half[0], rate))
        with features:
            local_rate = pyro.sample(
                f"{view}.local_relevance_rate", dist.Gamma(half, torch.ones_like(half)).to_event(1)
            )
            local = pyro.sample(f"{view}.local_relevance", dist.Gamma(half, local_rate).to_event(1))
            precision = (local * relevance).clamp_min(torch.finfo(torch.float64).tiny)
            prior = dist.Normal(torch.zeros_like(precision), precision**-0.5)
            weights = pyro.sample(f"{view}.weights", prior.to_event(1))
            seen = dist.Normal(weights, self.slab).to_event(1)
            pyro.sample(f"{view}.slab", seen, obs=torch.zeros_like(weights))
        return weights
