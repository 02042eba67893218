"""Real-valued data with heavier tails than a normal."""

from dataclasses import dataclass

import pyro.distributions as dist
from torch import Tensor

from pyro_favae.models.likelihoods.base import LikelihoodModule
from pyro_favae.models.likelihoods.location_scale import LocationScale, LocationScaleModule


@dataclass(frozen=True)
class Laplace(LocationScale):
    """x ~ Laplace(link(decoder(z)), scale) for each entry: density exp(−|x − location| / scale) / (2 scale).

    scale: the mean absolute deviation, 1/√2 of the standard deviation; the other fields as in
    :class:`LocationScale`.
    """

    group = "likelihoods"

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _LaplaceModule(self, event_shape)


class _LaplaceModule(LocationScaleModule):
    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Laplace(self.mean(decoded), self.scale, validate_args=False)
