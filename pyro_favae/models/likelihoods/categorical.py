"""Data that are codes of classes."""

from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.declaration import require_count
from pyro_favae.models.likelihoods.base import (
    Likelihood,
    LikelihoodModule,
    Support,
    fractional,
    value_range,
)


@dataclass(frozen=True)
class Categorical(Likelihood):
    """x ~ Categorical(softmax(decoder(z))) for each entry: codes 0 to C − 1, C = ``n_classes``.

    The decoder gives C logits for each entry, the encoder is given one-hot codes. The mean of data (rows, *event) are
    probabilities (rows, *event, C); what is missing is filled with the most probable class.
    """

    group = "likelihoods"
    n_classes: int

    def __post_init__(self) -> None:
        require_count("likelihoods.Categorical", n_classes=self.n_classes)
        if self.n_classes < 2:
            raise SpecError("likelihoods.Categorical: n_classes is 1, expected at least 2")

    @property
    def support(self) -> Support:
        return "class"

    @property
    def outputs(self) -> int:
        return self.n_classes

    @property
    def inputs(self) -> int:
        return self.n_classes

    def check(self, name: str, data: Tensor) -> None:
        low, high = value_range(data)
        if low < 0 or high >= self.n_classes or fractional(data):
            raise DataError(
                f"view {name!r}: values range from {low:g} to {high:g}, expected codes of classes: whole numbers "
                f"from 0 to {self.n_classes - 1}; codes that count from 1, or a class more than n_classes says, are "
                "the usual cause"
            )

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _CategoricalModule(self.n_classes)


class _CategoricalModule(LikelihoodModule):
    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.n_classes = n_classes

    def mean(self, decoded: Tensor) -> Tensor:
        return decoded.movedim(1, -1).softmax(-1)

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        return dist.Categorical(logits=decoded.movedim(1, -1), validate_args=False)

    def draw(self, decoded: Tensor, generator: torch.Generator | None = None) -> Tensor:
        probabilities = self.mean(decoded)
        drawn = torch.multinomial(probabilities.flatten(0, -2), 1, generator=generator)
        return drawn.view(probabilities.shape[:-1])

    def filling(self, mean: Tensor) -> Tensor:
        return mean.argmax(-1)

    def encode(self, data: Tensor) -> Tensor:
        return one_hot(data.long(), self.n_classes).movedim(-1, 1)
