"""Embeddings from a pretrained encoder, taken as they are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pyro_favae.errors import DataError
from pyro_favae.models.declaration import require_flag
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.base import Emission, Moments, TableView, require_finite, sample_latents
from pyro_favae.models.views.real import RealEmission, Standardise, require_standardise


@dataclass(frozen=True)
class Frozen(TableView):
    """z_n ~ N(W g_n + b, 1/τ) with q(z_n) = N(mean_n, diag variance_n) from an encoder trained elsewhere.

    dim: the number of latent dimensions, or their names. Data: (rows, D) means or, with ``variances``, (rows, 2 D):
    means, then variances. Without variances q(z) is a point, as in a real view. Predictions are embeddings (rows, D),
    for the decoder that belongs to them. A row of NaN lacks the view.
    """

    group = "views"
    columns_field = "dim"
    missing_entries = False
    dim: int | tuple[str, ...]
    variances: bool = False
    standardise: Standardise = "feature"
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_standardise("views.Frozen", self.standardise)
        require_flag("views.Frozen", variances=self.variances)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (2 * self.latent_dim if self.variances else self.latent_dim,)

    @property
    def is_drawn(self) -> bool:
        return not self.variances

    def emission(self) -> "FrozenEmission":
        return FrozenEmission(self)

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data)
        if self.variances and bool((data[:, self.latent_dim :] <= 0).any()):
            raise DataError(
                f"view {name!r}: a variance is {data[:, self.latent_dim :].min().item():g}, expected all above 0; "
                "its columns are the means and then the variances, not standard deviations or logs"
            )


class FrozenEmission(Emission):
    """The affine map from latents to the encoder's units."""

    needs_moments = True

    def __init__(self, view: Frozen) -> None:
        super().__init__()
        self.units = RealEmission(view.standardise, view.latent_dim)
        self.variances = view.variances

    @property
    def unit(self) -> Tensor:
        return self.units.unit

    def calibrate(self, moments: Moments) -> None:
        """Standardise the aggregate posterior, whose variance includes the mean of the variances."""
        size = len(self.unit)
        if self.variances:
            variance = moments.variance[:size] + moments.mean[size:]
            moments = Moments(moments.mean[:size], variance, moments.largest[:size], moments.count[:size])
        self.units.calibrate(moments)

    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        if not self.variances:
            return self.units.sample(view, mean, precision, data, observed)
        return self.decode(sample_latents(view, mean, precision, observed))

    def decode(self, latents: Tensor) -> Tensor:
        return self.units.decode(latents)

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        return self.units.moments(mean, variance)

    def log_density(self, mean: Tensor, variance: Tensor, data: Tensor) -> Tensor:
        """Of the embedding's D dimensions; its expectation over q(z) where the data have variances."""
        if not self.variances:
            return self.units.log_density(mean, variance, data)
        embedding, unsure = data.chunk(2, dim=-1)
        spread = self.unit.square() * variance
        return self.units.log_density(mean, variance, embedding) - unsure / (2 * spread)

    def filling(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """A mean with its variance, where the data have one."""
        return torch.cat([mean, deviation.square()], -1) if self.variances else mean

    def encode(self, data: Tensor) -> tuple[Tensor, Tensor | None]:
        """Means and variances of the latents that data (rows, D) or (rows, 2 D) are."""
        if not self.variances:
            return self.units.encode(data), None
        mean, variance = data.chunk(2, dim=1)
        return self.units.encode(mean), variance / self.unit.square()
