"""Automatic relevance determination of factors and of features."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import WeightPrior


@dataclass(frozen=True)
class FeatureARD(WeightPrior):
    """w_dk ~ N(0, 1/(α_k γ_d)), α_k ~ Gamma(shape, rate), γ_d ~ Gamma(feature_shape, feature_rate).

    A feature that no factor needs fades as a whole: feature selection. Sevilla-Salcedo, Gómez-Verdejo and Olmos,
    "Sparse semi-supervised heterogeneous interbattery Bayesian analysis" (SSHIBA, 2021), Section 3.
    """

    group = "priors"
    shape: float = 1e-3
    rate: float = 1e-3
    feature_shape: float = 1e-3
    feature_rate: float = 1e-3

    def __post_init__(self) -> None:
        require_positive("priors.FeatureARD", shape=self.shape, rate=self.rate)
        require_positive(
            "priors.FeatureARD", feature_shape=self.feature_shape, feature_rate=self.feature_rate
        )

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit ``{view}.relevance`` (K,), ``{view}.feature_relevance`` (D,) and ``{view}.weights`` (D, K)."""
        own = (self.shape, self.rate, self.feature_shape, self.feature_rate)
        shape, rate, feature_shape, feature_rate = torch.tensor(own, dtype=torch.float64, device=device)
        with pyro.plate(f"{view}.factors", n_factors, dim=-1):
            relevance = pyro.sample(f"{view}.relevance", dist.Gamma(shape, rate))
        with features:
            feature_relevance = pyro.sample(
                f"{view}.feature_relevance", dist.Gamma(feature_shape, feature_rate)
            )
            precision = (feature_relevance[..., None] * relevance).clamp_min(torch.finfo(torch.float64).tiny)
            prior = dist.Normal(torch.zeros_like(precision), precision**-0.5)
            return pyro.sample(f"{view}.weights", prior.to_event(1))
