"""Likelihoods of decoded data: what a decoder's output means."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.models.declaration import Declaration, require_positive


class Likelihood(Declaration, ABC):
    """A declared likelihood; ``build`` gives the module that holds what it learns."""

    @abstractmethod
    def build(self) -> "LikelihoodModule":
        """Return a fresh module."""


class LikelihoodModule(nn.Module, ABC):
    """Turns a decoder's output, shape (rows, *event), into a distribution over data of that shape."""

    @abstractmethod
    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        """The distribution of the data given the decoder's output."""

    @abstractmethod
    def mean(self, decoded: Tensor) -> Tensor:
        """The expectation of the data given the decoder's output."""


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """x ~ N(decoder(z), scale²) for each pixel; the decoder ends in a sigmoid. ``learn`` fits the scale.

    FA-VAE paper, Eq. 8.
    """

    group = "likelihoods"
    scale: float = 0.2
    learn: bool = False

    def __post_init__(self) -> None:
        require_positive("likelihoods.Gaussian", scale=self.scale)

    def build(self) -> LikelihoodModule:
        """Return a fresh module."""
        return _GaussianModule(self.scale, self.learn)


class _GaussianModule(LikelihoodModule):
    def __init__(self, scale: float, learn: bool) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)), requires_grad=learn)

    def mean(self, decoded: Tensor) -> Tensor:
        return decoded.sigmoid()

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Normal(self.mean(decoded), self.log_scale.exp()).to_event(decoded.dim() - 1)


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """x ~ Bernoulli for each pixel, the decoder giving logits; grey values count as probabilities."""

    group = "likelihoods"

    def build(self) -> LikelihoodModule:
        """Return a fresh module."""
        return _BernoulliModule()


class _BernoulliModule(LikelihoodModule):
    def mean(self, decoded: Tensor) -> Tensor:
        return decoded.sigmoid()

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        pixels = dist.Bernoulli(logits=decoded, validate_args=False)
        return pixels.to_event(decoded.dim() - 1)
