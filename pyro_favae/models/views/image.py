"""Images behind a convolutional VAE."""

from dataclasses import dataclass, field

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor, nn

from pyro_favae.errors import DataError, SpecError
from pyro_favae.models import networks
from pyro_favae.models.declaration import require_count, require_positive
from pyro_favae.models.likelihoods import Gaussian, Likelihood, LikelihoodModule
from pyro_favae.models.priors import Gamma, WeightPrior
from pyro_favae.models.views.base import Emission, View, names_of, require_finite


@dataclass(frozen=True)
class Image(View):
    """x_n ~ likelihood(decoder(z_n)), z_n ~ N(W g_n + b, 1/τ): data (rows, C, H, W), channels first.

    uint8 images are scaled to [0, 1]; floats must already lie there. q(z) = N(μ(x), diag s(x)) from the encoder.
    network: a name in :data:`pyro_favae.models.networks.NETWORKS`. beta: tempers the view's likelihood by
    1/beta while learning, as in a β-VAE. A row that lacks the view is all NaN, or ``None`` in a list.
    FA-VAE paper, Eqs. 7 and 8.
    """

    group = "views"
    shape: tuple[int, int, int]
    latent_dim: int
    network: str = "small"
    likelihood: Likelihood = field(default_factory=Gaussian)
    beta: float = 1.0
    weights: WeightPrior | None = None
    noise: Gamma | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shape", tuple(self.shape))
        if len(self.shape) != 3:
            raise SpecError(f"views.Image: shape is {self.shape}, expected (channels, height, width)")
        channels, height, width = self.shape
        require_count("views.Image", channels=channels, height=height, width=width)
        require_count("views.Image", latent_dim=self.latent_dim)
        require_positive("views.Image", beta=self.beta)
        networks.find(self.network, self.shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    @property
    def feature_names(self) -> tuple[str, ...]:
        return names_of(self.latent_dim)

    def emission(self) -> "DecoderEmission":
        decoder = networks.find(self.network, self.shape).decoder(self.shape, self.latent_dim)
        return DecoderEmission(decoder, self.likelihood.build())

    def encoder(self) -> nn.Module:
        """Return a fresh encoder, rows of data → (rows, 2 D): means and log variances."""
        return networks.find(self.network, self.shape).encoder(self.shape, self.latent_dim)

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data)
        if data.dtype == torch.uint8:
            return
        low, high = data.min().item(), data.max().item()
        if low < 0 or high > 1:
            raise DataError(
                f"view {name!r}: pixel values range from {low:g} to {high:g}, expected floats in [0, 1] or "
                "uint8; divide images stored as 0 to 255 by 255"
            )

    def as_float(self, data: Tensor) -> Tensor:
        return data.to(torch.float32) / 255 if data.dtype == torch.uint8 else data.to(torch.float32)


class DecoderEmission(Emission):
    """A decoder network and its likelihood."""

    def __init__(self, decoder: nn.Module, likelihood: LikelihoodModule) -> None:
        super().__init__()
        self.decoder = decoder
        self.likelihood = likelihood

    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        with poutine.mask(mask=observed[:, 0]):
            latents = pyro.sample(f"{view}.latents", dist.Normal(mean, precision**-0.5).to_event(1))
            return self.sample_data(view, latents, data)

    def sample_data(self, view: str, latents: Tensor, data: Tensor | None) -> Tensor:
        """Emit ``{view}.data`` given the latents."""
        return pyro.sample(f"{view}.data", self.likelihood.distribution(self.decoded(latents)), obs=data)

    def log_prob(self, latents: Tensor, data: Tensor) -> Tensor:
        return self.likelihood.distribution(self.decoded(latents)).base_dist.log_prob(data)

    def decode(self, latents: Tensor) -> Tensor:
        return self.likelihood.mean(self.decoded(latents))

    def decoded(self, latents: Tensor) -> Tensor:
        return self.decoder(latents.to(next(self.decoder.parameters()).dtype))
