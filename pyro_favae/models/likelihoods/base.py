"""What a likelihood of decoded data must provide."""

from abc import ABC, abstractmethod
from typing import Literal

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.errors import DataError
from pyro_favae.models.declaration import Declaration

Support = Literal["real", "unit", "count", "class"]


class Likelihood(Declaration, ABC):
    """A declared likelihood of each entry of the data, given what a decoder says of it."""

    @property
    @abstractmethod
    def support(self) -> Support:
        """What data may be: real numbers, numbers from 0 to 1, counts from 0 on, or codes of classes."""

    @property
    def outputs(self) -> int:
        """How many numbers a decoder gives for each entry of the data."""
        return 1

    @property
    def inputs(self) -> int:
        """How many numbers an encoder is given for each entry of the data."""
        return 1

    @abstractmethod
    def build(self, event_shape: tuple[int, ...]) -> "LikelihoodModule":
        """Return a fresh module for rows of data of this shape."""

    def check(self, name: str, data: Tensor) -> None:
        """Raise :class:`DataError` where values lie outside the support; NaN passes."""
        low, high = value_range(data)
        if self.support == "unit" and (low < 0 or high > 1):
            raise DataError(
                f"view {name!r}: values range from {low:g} to {high:g}, expected floats in [0, 1] or uint8; divide "
                "images stored as 0 to 255 by 255"
            )
        if self.support == "count" and (low < 0 or fractional(data)):
            raise DataError(
                f"view {name!r}: values range from {low:g} to {high:g}, expected counts: whole numbers from 0 on; "
                "counts that were normalised or logged are the usual cause"
            )


def value_range(data: Tensor) -> tuple[float, float]:
    """The least and the largest value that is not NaN; zeros where there is none."""
    if not data.numel():
        return 0, 0
    low, high = torch.aminmax(data)
    if torch.isnan(low):  # one pass where nothing is missing, a copy only where something is
        return value_range(data[~torch.isnan(data)])
    return low.item(), high.item()


def fractional(data: Tensor) -> bool:
    """Whether some value that is not NaN is no whole number."""
    return data.is_floating_point() and bool((data > data.floor()).any())


class LikelihoodModule(nn.Module, ABC):
    """Turns what a decoder says into distributions; holds what the likelihood learns.

    decoded: (rows, *event), or (rows, outputs, *event) where an entry takes several numbers.
    """

    @abstractmethod
    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        """The distributions of the entries, of batch shape (rows, *event)."""

    @abstractmethod
    def mean(self, decoded: Tensor) -> Tensor:
        """The expectation of the data: (rows, *event), or (rows, *event, C) probabilities of C classes."""

    def draw(self, decoded: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Data drawn, (rows, *event); the expectation of continuous data, whose pixel noise nobody wants."""
        return self.mean(decoded)

    def filling(self, mean: Tensor) -> Tensor:
        """What stands in for missing data, (rows, *event), given its predictive mean."""
        return mean

    def encode(self, data: Tensor) -> Tensor:
        """What an encoder sees of data: (rows, *event), or (rows, inputs, *event)."""
        return data
