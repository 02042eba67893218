"""Binary attributes of the rows: a multi-label view."""

import math
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from numpy.polynomial.hermite import hermgauss
from torch import Tensor

from pyro_favae.errors import DataError
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.base import Emission, TableView, require_finite, sample_latents

QUADRATURE_NODES = 32


@dataclass(frozen=True)
class Bernoulli(TableView):
    """x_nd ~ Bernoulli(σ(z_nd)), z_n ~ N(W g_n + b, 1/τ): data (rows, D) of 0 and 1, or booleans.

    q(z | g, W) is kept exact given Jaakkola's bound. NaN marks missing entries; a row of NaN lacks the view.
    FA-VAE paper, Section 2.1.1, Eqs. 11 and 12.
    """

    group = "views"
    binary = True
    columns_field = "dim_or_names"
    dim_or_names: int | tuple[str, ...]
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None

    def emission(self) -> "BernoulliEmission":
        return BernoulliEmission()

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data, missing_entries=True)
        bad = (data != 0) & (data != 1) & ~torch.isnan(data)
        if bad.any():
            example = data[bad][0].item()
            raise DataError(
                f"view {name!r}: {int(bad.sum())} values are neither 0 nor 1 (for example {example:g}); "
                "a Bernoulli view holds binary attributes: map ±1 labels to 0 and 1, declare real numbers "
                "as views.Real"
            )


class BernoulliEmission(Emission):
    """The logistic link."""

    link_variance = math.pi**2 / 3  # x = 1 where z plus standard logistic noise is above 0

    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        latents = sample_latents(view, mean, precision, observed)
        labels = dist.Bernoulli(logits=latents).mask(observed)
        return pyro.sample(f"{view}.data", labels.to_event(1), obs=data)

    def decode(self, latents: Tensor) -> Tensor:
        return latents.sigmoid()

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Integrates the logistic by Gauss-Hermite quadrature; σ(mean) would be overconfident."""
        nodes, weights = (torch.as_tensor(values).to(mean) for values in hermgauss(QUADRATURE_NODES))
        nodes, weights = nodes * 2**0.5, weights / torch.pi**0.5
        probability = torch.zeros_like(mean)
        for node, weight in zip(nodes, weights, strict=True):
            probability = probability + weight * (mean + variance.sqrt() * node).sigmoid()
        probability = probability.clamp(0, 1)
        return probability, probability * (1 - probability)

    def log_density(self, mean: Tensor, variance: Tensor, data: Tensor) -> Tensor:
        """Log probability of what was seen, integrated as :meth:`moments` is, without loss of digits near 0."""
        probability, _ = self.moments(torch.where(data > 0, mean, -mean), variance)
        return probability.clamp_min(torch.finfo(probability.dtype).tiny).log()

    def draw(self, latents: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(latents.sigmoid(), generator=generator)
