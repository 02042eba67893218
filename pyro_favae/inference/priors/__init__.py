"""How the posteriors under each prior are updated, bounded and rotated: one file a prior."""

from pyro_favae.inference.discovery import import_submodules
from pyro_favae.inference.priors.base import (
    FactorPosterior,
    NoisePosterior,
    NonConjugatePosterior,
    WeightPriorPosterior,
    factor_posterior,
    noise_posterior,
    weight_prior_posterior,
)

__all__ = [
    "FactorPosterior",
    "NoisePosterior",
    "NonConjugatePosterior",
    "WeightPriorPosterior",
    "factor_posterior",
    "noise_posterior",
    "weight_prior_posterior",
]

import_submodules(__name__, __path__)
