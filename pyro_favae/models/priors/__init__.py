"""Priors on weights, noise and factors; swapped by declaring another one."""

from pyro_favae.models.priors.ard import ARD
from pyro_favae.models.priors.base import FactorPrior, WeightPrior
from pyro_favae.models.priors.gamma import Gamma
from pyro_favae.models.priors.mixture import Mixture
from pyro_favae.models.priors.standard_normal import StandardNormal

__all__ = ["ARD", "FactorPrior", "Gamma", "Mixture", "StandardNormal", "WeightPrior"]
