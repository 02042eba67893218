"""A table of real numbers, observed without an encoder: the data are the latents."""

from dataclasses import dataclass
from typing import Literal, get_args

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.transforms import AffineTransform
from torch import Tensor

from pyro_favae.models.declaration import require_choice
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.base import Emission, Moments, TableView, require_finite

Standardise = Literal["view", "feature", "none"]
ROUNDING = 16  # units in the last place; means of many equal numbers were seen to be up to 5 off


@dataclass(frozen=True)
class Real(TableView):
    """x_n = location + scale · z_n, z_n ~ N(W g_n + b, 1/τ): data (rows, D), q(z) a point.

    dim: the number of features, or their names. standardise: ``"view"`` centres each feature and divides the whole
    view by one standard deviation, ``"feature"`` divides each by its own, ``"none"`` leaves the data as they
    are; densities, weights and predictions come back in the user's units whichever is chosen.
    NaN marks missing entries; a row of NaN lacks the view.
    """

    group = "views"
    columns_field = "dim"
    dim: int | tuple[str, ...]
    standardise: Standardise = "view"
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_standardise("views.Real", self.standardise)

    def emission(self) -> "RealEmission":
        return RealEmission(self.standardise, self.latent_dim)

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data, missing_entries=True)


def require_standardise(owner: str, value: str) -> None:
    """Raise :class:`SpecError` unless value is one of :data:`Standardise`."""
    require_choice(owner, get_args(Standardise), standardise=value)


class RealEmission(Emission):
    """The affine map from latents to the user's units."""

    needs_moments = True
    location: Tensor
    scale: Tensor

    def __init__(self, standardise: Standardise, size: int) -> None:
        super().__init__()
        self.standardise = standardise
        self.register_buffer("location", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(size, dtype=torch.float64))

    @property
    def unit(self) -> Tensor:
        return self.scale

    def calibrate(self, moments: Moments) -> None:
        if self.standardise == "none":
            return
        deviation = moments.variance.sqrt()
        # a constant feature has no scale of its own, only what its mean is rounded by
        tiny = ROUNDING * torch.finfo(deviation.dtype).eps * moments.largest
        deviation = torch.where(deviation > tiny, deviation, torch.zeros_like(deviation))
        if self.standardise == "view":
            total = (moments.count * deviation.square()).sum() / moments.count.sum()
            deviation = total.sqrt().expand_as(deviation)
        self.location.copy_(moments.mean)
        self.scale.copy_(torch.where(deviation > tiny, deviation, torch.ones_like(deviation)))

    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        latents = dist.Normal(mean, precision**-0.5)
        to_units = AffineTransform(self.location, self.scale)
        values = dist.TransformedDistribution(latents, to_units).mask(observed)
        return pyro.sample(f"{view}.data", values.to_event(1), obs=data)

    def decode(self, latents: Tensor) -> Tensor:
        return self.location + self.scale * latents

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        return self.decode(mean), self.scale.square() * variance

    def log_density(self, mean: Tensor, variance: Tensor, data: Tensor) -> Tensor:
        """Gaussian: the noise precision, whose Gamma would make it a Student t, is known from all rows together."""
        centre, spread = self.moments(mean, variance)
        return dist.Normal(centre, spread.sqrt(), validate_args=False).log_prob(data)

    def encode(self, data: Tensor) -> Tensor:
        """The latents that data (rows, D) are."""
        return (data - self.location).mul_(1 / self.scale)
