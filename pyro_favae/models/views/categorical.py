"""One of several classes for each row."""

import math
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.quasirandom import SobolEngine

from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.base import Emission, TableView, require_finite, sample_latents

QUADRATURE_POINTS = 256
LARGEST_LOGIT = 1e6  # a softmax has long saturated, and of an infinite spread it would be undefined


@dataclass(frozen=True)
class Categorical(TableView):
    """x_n ~ Categorical(softmax(z_n)), z_n ~ N(W g_n + b, 1/τ), one latent a class.

    classes: their number, or their names. Data: (rows,) codes 0 to C − 1; NaN lacks the view. Predictions are
    probabilities (rows, C). q(z | g, W) is kept exact given a bound by C logistic ones (Bouchard 2007).
    """

    group = "views"
    columns_field = "classes"
    missing_entries = False
    classes: int | tuple[str, ...]
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.latent_dim < 2:
            raise SpecError(f"views.Categorical: {self.latent_dim} class, expected at least 2")

    @property
    def event_shape(self) -> tuple[int, ...]:
        return ()

    def emission(self) -> "CategoricalEmission":
        return CategoricalEmission()

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data)
        codes = data.to(torch.float64)
        bad = (codes != codes.floor()) | (codes < 0) | (codes >= self.latent_dim)
        if bad.any():
            raise DataError(
                f"view {name!r}: {int(bad.sum())} values are not class codes (for example "
                f"{codes[bad][0].item():g}), expected whole numbers from 0 to {self.latent_dim - 1}"
            )


class CategoricalEmission(Emission):
    """The softmax link."""

    link_variance = math.pi**2 / 6  # x is the class whose z plus standard Gumbel noise is the largest

    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        latents = sample_latents(view, mean, precision, observed)
        classes = dist.Categorical(logits=latents).mask(observed[:, 0])
        return pyro.sample(f"{view}.data", classes, obs=data)

    def decode(self, latents: Tensor) -> Tensor:
        return latents.clamp(-LARGEST_LOGIT, LARGEST_LOGIT).softmax(-1)

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Integrates the softmax over a Sobol sequence of normal draws; softmax(mean) would be overconfident."""
        total, deviation = torch.zeros_like(mean), variance.sqrt().clamp_max(LARGEST_LOGIT)
        for node in _normal_nodes(mean.shape[-1]).to(mean):
            total = total + (mean + deviation * node).softmax(-1)
        probability = total / QUADRATURE_POINTS
        return probability, probability * (1 - probability)

    def log_density(self, mean: Tensor, variance: Tensor, data: Tensor) -> Tensor:
        """Log probability of the class that was seen, (...), integrated as :meth:`moments` is."""
        probability, _ = self.moments(mean, variance)
        codes = data.to(torch.long).expand(mean.shape[:-1])[..., None]
        seen = probability.gather(-1, codes)[..., 0]
        return seen.clamp_min(torch.finfo(seen.dtype).tiny).log()

    def filling(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """The most probable class."""
        return mean.argmax(-1)

    def draw(self, latents: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.multinomial(self.decode(latents), 1, generator=generator)[:, 0]


def _normal_nodes(size: int) -> Tensor:
    """Points (QUADRATURE_POINTS, size) spread like a standard normal, in pairs of opposite sign."""
    uniform = SobolEngine(size, scramble=True, seed=0).draw(QUADRATURE_POINTS // 2, dtype=torch.float64)
    half = torch.special.ndtri(uniform.clamp(1e-9, 1 - 1e-9))
    return torch.cat([half, -half])
