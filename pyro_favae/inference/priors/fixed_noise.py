"""A noise precision that is known: q is a point that never moves."""

import pyro
import torch
from torch import Tensor

from pyro_favae.inference.priors.base import NoisePosterior, noise_posterior
from pyro_favae.models.priors import FixedNoise


class FixedNoisePosterior(NoisePosterior):
    """The declared precision in the latents' units; the bound has no divergence for it."""

    learnt = False
    precision: Tensor

    def __init__(self, prior: FixedNoise, n_features: int) -> None:
        super().__init__()
        self.declared = prior
        self.register_buffer("precision", torch.ones(n_features, dtype=torch.float64))
        self.calibrate(None)

    @property
    def mean(self) -> Tensor:
        """(1,) where all features have the same, so that they share the covariance of their weights."""
        return self.precision[:1] if (self.precision == self.precision[0]).all() else self.precision

    @property
    def mean_log(self) -> Tensor:
        return self.mean.log()

    @property
    def mean_inverse(self) -> Tensor:
        return 1 / self.mean

    def calibrate(self, unit: Tensor | None) -> None:
        self.precision.copy_(self.declared.latent_precision(unit, self.precision.device))

    def update(self, count: Tensor, squares: Tensor) -> None:
        return

    def elbo(self) -> Tensor:
        return self.precision.new_zeros(())

    def sample(self, view: str, features: pyro.plate) -> None:
        return


@noise_posterior.register
def _(prior: FixedNoise, n_features: int) -> FixedNoisePosterior:
    return FixedNoisePosterior(prior, n_features)
