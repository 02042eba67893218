"""Real-valued data with normal noise."""

from dataclasses import dataclass

import pyro.distributions as dist
from torch import Tensor

from pyro_favae.models.likelihoods.base import LikelihoodModule
from pyro_favae.models.likelihoods.location_scale import LocationScale, LocationScaleModule


@dataclass(frozen=True)
class Gaussian(LocationScale):
    """x ~ N(link(decoder(z)), scale²) for each entry. ``learn`` fits the scale, one for all or one a feature.

    scale: a standard deviation; the other fields as in :class:`LocationScale`. FA-VAE paper, Eq. 8.
    """

    group = "likelihoods"

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _GaussianModule(self, event_shape)


class _GaussianModule(LocationScaleModule):
    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Normal(self.mean(decoded), self.scale, validate_args=False)
