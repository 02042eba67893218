"""A table of real numbers, observed without an encoder: the data are the latents."""

from dataclasses import dataclass
from typing import Literal, get_args

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.transforms import AffineTransform
from torch import Tensor

from pyro_favae.errors import SpecError
from pyro_favae.models.priors import Gamma, WeightPrior
from pyro_favae.models.views.base import Emission, TableView, require_finite

Standardise = Literal["view", "feature", "none"]


@dataclass(frozen=True)
class Real(TableView):
    """x_n = location + scale · z_n, z_n ~ N(W g_n + b, 1/τ): data (rows, D), q(z) a point.

    dim: the number of features, or their names. standardise: ``"view"`` centres each feature and divides the whole
    view by one standard deviation, ``"feature"`` divides each by its own, ``"none"`` leaves the data as they
    are; densities, weights and predictions come back in the user's units whichever is chosen.
    A row that lacks the view is a row of NaN.
    """

    group = "views"
    columns_field = "dim"
    dim: int | tuple[str, ...]
    standardise: Standardise = "view"
    weights: WeightPrior | None = None
    noise: Gamma | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.standardise not in get_args(Standardise):
            raise SpecError(
                f"views.Real: standardise is {self.standardise!r}, expected one of {get_args(Standardise)}"
            )

    def emission(self) -> "RealEmission":
        return RealEmission(self)

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data)


class RealEmission(Emission):
    """The affine map from latents to the user's units."""

    def __init__(self, view: Real) -> None:
        super().__init__()
        self.standardise = view.standardise
        self.register_buffer("location", torch.zeros(view.latent_dim, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(view.latent_dim, dtype=torch.float64))

    @property
    def unit(self) -> Tensor:
        return self.scale

    def calibrate(self, data: Tensor) -> None:
        if self.standardise == "none":
            return
        data = data.to(self.location)
        deviation = data.std(0, correction=0)
        if self.standardise == "view":
            deviation = deviation.square().mean().sqrt().expand_as(deviation)
        # a constant feature has no scale of its own
        tiny = torch.finfo(data.dtype).eps * data.abs().amax(0)
        self.location.copy_(data.mean(0))
        self.scale.copy_(torch.where(deviation > tiny, deviation, torch.ones_like(deviation)))

    def sample(self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None) -> Tensor:
        latents = dist.Normal(mean, precision**-0.5)
        to_units = AffineTransform(self.location, self.scale)
        return pyro.sample(
            f"{view}.data", dist.TransformedDistribution(latents, to_units).to_event(1), obs=data
        )

    def decode(self, latents: Tensor) -> Tensor:
        return self.location + self.scale * latents

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        return self.decode(mean), self.scale.square() * variance

    def encode(self, data: Tensor) -> Tensor:
        """The latents that data (rows, D) are."""
        return (data - self.location) / self.scale
