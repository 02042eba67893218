"""Likelihoods of decoded data: what a decoder's output means."""

from pyro_favae.models.likelihoods.base import Likelihood, LikelihoodModule
from pyro_favae.models.likelihoods.bernoulli import Bernoulli
from pyro_favae.models.likelihoods.categorical import Categorical
from pyro_favae.models.likelihoods.gaussian import Gaussian
from pyro_favae.models.likelihoods.gaussian_mixture import GaussianMixture
from pyro_favae.models.likelihoods.laplace import Laplace
from pyro_favae.models.likelihoods.negative_binomial import NegativeBinomial
from pyro_favae.models.likelihoods.poisson import Poisson

__all__ = [
    "Bernoulli",
    "Categorical",
    "Gaussian",
    "GaussianMixture",
    "Laplace",
    "Likelihood",
    "LikelihoodModule",
    "NegativeBinomial",
    "Poisson",
]
