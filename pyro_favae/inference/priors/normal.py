"""Weights of one fixed scale: nothing stands above them."""

import pyro
import torch
from torch import Tensor

from pyro_favae.inference.priors.base import Sites, WeightPriorPosterior, weight_prior_posterior
from pyro_favae.inference.updates import LOG_2PI, WeightMoments
from pyro_favae.models.priors import Normal


class NormalPosterior(WeightPriorPosterior):
    """E log N(w_dk | 0, 1/precision)."""

    _precision: Tensor

    def __init__(self, prior: Normal, n_factors: int) -> None:
        super().__init__()
        full = torch.full((n_factors,), prior.precision, dtype=torch.float64)
        self.register_buffer("_precision", full, persistent=False)

    @property
    def precision(self) -> Tensor:
        return self._precision

    def update(self, moments: WeightMoments) -> None:
        return

    def redraw(self, sites: Sites, weights: Tensor) -> Sites:
        return {}

    def given_precision(self, sites: Sites) -> Tensor:
        return self._precision[None, None]

    def elbo(self, moments: WeightMoments) -> Tensor:
        return 0.5 * (self._precision.log() - LOG_2PI - self._precision * moments.second).sum()

    def rotated_elbo(self, squares: Tensor, n_features: int) -> Tensor:
        return -0.5 * (self._precision * squares).sum()

    def sample(self, view: str, features: pyro.plate) -> None:
        return


@weight_prior_posterior.register
def _(prior: Normal, n_features: int, n_factors: int) -> NormalPosterior:
    return NormalPosterior(prior, n_factors)
