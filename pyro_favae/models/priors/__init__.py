"""Priors on weights, noise and factors; swapped by declaring another one."""

from pyro_favae.models.priors.ard import ARD
from pyro_favae.models.priors.base import FactorPrior, NoisePrior, WeightPrior
from pyro_favae.models.priors.custom import Custom
from pyro_favae.models.priors.feature_ard import FeatureARD
from pyro_favae.models.priors.fixed_noise import FixedNoise
from pyro_favae.models.priors.gamma import Gamma
from pyro_favae.models.priors.grouped import Grouped
from pyro_favae.models.priors.horseshoe import Horseshoe
from pyro_favae.models.priors.mixture import Mixture
from pyro_favae.models.priors.normal import Normal
from pyro_favae.models.priors.spike_slab import SpikeSlab
from pyro_favae.models.priors.standard_normal import StandardNormal

__all__ = [
    "ARD",
    "Custom",
    "FactorPrior",
    "FeatureARD",
    "FixedNoise",
    "Gamma",
    "Grouped",
    "Horseshoe",
    "Mixture",
    "NoisePrior",
    "Normal",
    "SpikeSlab",
    "StandardNormal",
    "WeightPrior",
]
