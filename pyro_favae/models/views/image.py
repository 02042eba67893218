"""Images behind a convolutional VAE."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pyro_favae.errors import SpecError
from pyro_favae.models import networks
from pyro_favae.models.declaration import require_count
from pyro_favae.models.likelihoods import Gaussian, Likelihood
from pyro_favae.models.priors import Gamma, WeightPrior
from pyro_favae.models.views.decoder import DecoderView


@dataclass(frozen=True)
class Image(DecoderView):
    """x_n ~ likelihood(decoder(z_n)), z_n ~ N(W g_n + b, 1/τ): data (rows, C, H, W), channels first.

    uint8 images are scaled to [0, 1]; floats must already lie there. q(z) = N(μ(x), diag s(x)) from the encoder.
    network: a name in :func:`pyro_favae.networks.names`. beta: tempers the view's likelihood by
    1/beta while learning, as in a β-VAE. A row that lacks the view is all NaN, or ``None`` in a list.
    FA-VAE paper, Eqs. 7 and 8.
    """

    group = "views"
    supports = ("real", "unit")
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
        networks.find(self.network).check(self.shape)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    def encoder(self) -> nn.Module:
        return networks.find(self.network).encoder(self.shape, self.latent_dim)

    def decoder(self) -> nn.Module:
        return networks.find(self.network).decoder(self.shape, self.latent_dim, self.likelihood.outputs)

    def as_float(self, data: Tensor) -> Tensor:
        return data.to(torch.float32) / 255 if data.dtype == torch.uint8 else data.to(torch.float32)

    def check(self, name: str, data: Tensor) -> None:
        if data.dtype != torch.uint8:
            super().check(name, data)
