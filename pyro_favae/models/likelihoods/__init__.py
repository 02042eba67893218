"""Likelihoods of decoded data: what a decoder's output means."""

from pyro_favae.models.likelihoods.base import Likelihood, LikelihoodModule
from pyro_favae.models.likelihoods.bernoulli import Bernoulli
from pyro_favae.models.likelihoods.gaussian import Gaussian

__all__ = ["Bernoulli", "Gaussian", "Likelihood", "LikelihoodModule"]
