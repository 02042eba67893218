"""What likelihoods of real numbers share: noise of some scale about what the decoder says."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import require_choice, require_flag, require_positive
from pyro_favae.models.likelihoods.base import Likelihood, LikelihoodModule, Support

Link = Literal["sigmoid", "identity"]

LINKS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": torch.sigmoid, "identity": nn.Identity()}


@dataclass(frozen=True)
class LocationScale(Likelihood):
    """x = link(decoder(z)) + noise, for each entry.

    scale: of the noise, in units of the data, or of the standardised data where the view standardises; where
    learning starts if ``learn``. per_feature: learn one for each feature, the data's last dimension, instead of one
    for all entries. link: ``"sigmoid"`` for data in [0, 1], such as images, ``"identity"`` for real numbers.
    """

    scale: float = 0.2
    learn: bool = False
    link: Link = "sigmoid"
    per_feature: bool = False

    def __post_init__(self) -> None:
        kind = f"likelihoods.{type(self).__name__}"
        require_positive(kind, scale=self.scale)
        require_choice(kind, LINKS, link=self.link)
        require_flag(kind, learn=self.learn, per_feature=self.per_feature)
        if self.per_feature and not self.learn:
            raise SpecError(f"{kind}: per_feature says how to learn scales; declare learn=True with it")

    @property
    def support(self) -> Support:
        return "unit" if self.link == "sigmoid" else "real"


class LocationScaleModule(LikelihoodModule):
    """Holds log scales of shape (*features, *components), features only where each has its own."""

    link: Callable[[Tensor], Tensor]

    def __init__(
        self, declared: LocationScale, event_shape: tuple[int, ...], components: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.link = LINKS[declared.link]
        shape = (*event_shape[-1:], *components) if declared.per_feature else components
        start = torch.full(shape, math.log(declared.scale))
        self.log_scale = nn.Parameter(start, requires_grad=declared.learn)

    @property
    def scale(self) -> Tensor:
        """The noise's scales."""
        return self.log_scale.exp()

    def mean(self, decoded: Tensor) -> Tensor:
        return self.link(decoded)
