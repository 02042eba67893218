"""Real-valued data with normal noise."""

import math
from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.models.declaration import require_positive
from pyro_favae.models.likelihoods.base import (
    LINKS,
    Likelihood,
    LikelihoodModule,
    Link,
    Support,
    require_link,
)


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """x ~ N(link(decoder(z)), scale²) for each entry. ``learn`` fits the scale, one for all entries.

    link: ``"sigmoid"`` for data in [0, 1], such as images, ``"identity"`` for real numbers. FA-VAE paper, Eq. 8.
    """

    group = "likelihoods"
    scale: float = 0.2
    learn: bool = False
    link: Link = "sigmoid"

    def __post_init__(self) -> None:
        require_positive("likelihoods.Gaussian", scale=self.scale)
        require_link("likelihoods.Gaussian", self.link)

    @property
    def support(self) -> Support:
        return "unit" if self.link == "sigmoid" else "real"

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _GaussianModule(self)


class _GaussianModule(LikelihoodModule):
    def __init__(self, declared: Gaussian) -> None:
        super().__init__()
        self.link = LINKS[declared.link]
        self.log_scale = nn.Parameter(torch.tensor(math.log(declared.scale)), requires_grad=declared.learn)

    def mean(self, decoded: Tensor) -> Tensor:
        return self.link(decoded)

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Normal(self.mean(decoded), self.log_scale.exp())
