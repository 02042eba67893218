"""Data of zeros and ones."""

from dataclasses import dataclass

import pyro.distributions as dist
from torch import Tensor

from pyro_favae.models.likelihoods.base import Likelihood, LikelihoodModule, Support


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """x ~ Bernoulli for each entry, the decoder giving logits; grey values count as probabilities."""

    group = "likelihoods"

    @property
    def support(self) -> Support:
        return "unit"

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _BernoulliModule()


class _BernoulliModule(LikelihoodModule):
    def mean(self, decoded: Tensor) -> Tensor:
        return decoded.sigmoid()

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Bernoulli(logits=decoded, validate_args=False)
