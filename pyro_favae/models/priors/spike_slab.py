"""Weights that are switched on or off one by one."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import WeightPrior


@dataclass(frozen=True)
class SpikeSlab(WeightPrior):
    """w_dk ~ θ_k N(0, 1/α_k) + (1 − θ_k) N(0, spike²/α_k), α_k ~ Gamma(shape, rate), θ_k ~ Beta(on, off).

    spike: the spike's standard deviation as a share of the slab's; small, but not zero, so that the posterior
    of a feature's weights stays one Gaussian, correlations included (George and McCulloch 1993). Much narrower than
    the data can tell a weight, it never lets go of one that is on.
    """

    group = "priors"
    shape: float = 1e-3
    rate: float = 1e-3
    on: float = 1.0
    off: float = 1.0
    spike: float = 0.05

    def __post_init__(self) -> None:
        require_positive("priors.SpikeSlab", shape=self.shape, rate=self.rate, on=self.on, off=self.off)
        require_positive("priors.SpikeSlab", spike=self.spike)
        if self.spike >= 1:
            raise SpecError(f"priors.SpikeSlab: spike is {self.spike!r}, expected below 1, the slab's scale")

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit ``{view}.relevance`` and ``{view}.inclusion`` (K,), and ``{view}.weights`` (D, K)."""
        shape, rate, on, off = (
            torch.tensor(v, dtype=torch.float64, device=device)
            for v in (self.shape, self.rate, self.on, self.off)
        )
        with pyro.plate(f"{view}.factors", n_factors, dim=-1):
            relevance = pyro.sample(f"{view}.relevance", dist.Gamma(shape, rate))
            inclusion = pyro.sample(f"{view}.inclusion", dist.Beta(on, off))
        slab = relevance.clamp_min(torch.finfo(relevance.dtype).tiny) ** -0.5
        scales = torch.stack([self.spike * slab, slab], -1)
        switch = dist.Categorical(torch.stack([1 - inclusion, inclusion], -1))
        prior = dist.MixtureSameFamily(switch, dist.Normal(torch.zeros_like(scales), scales))
        with features:
            return pyro.sample(f"{view}.weights", prior.to_event(1))
