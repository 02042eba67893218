"""Images behind a convolutional VAE."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pyro_favae.models.likelihoods import Gaussian, Likelihood
from pyro_favae.models.objectives import Objective, Plain
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.network import NetworkView


@dataclass(frozen=True)
class Image(NetworkView):
    """x_n ~ likelihood(decoder(z_n)), z_n ~ N(W g_n + b, 1/τ): data (rows, C, H, W), channels first.

    uint8 images are scaled to [0, 1]; floats must already lie there. q(z) = N(μ(x), diag s(x)) from the encoder.
    network: a name in :func:`pyro_favae.networks.names`. beta: tempers the view's likelihood by
    1/beta while learning, as in a β-VAE. A row that lacks the view is all NaN, or ``None`` in a list.
    FA-VAE paper, Eqs. 7 and 8.
    """

    group = "views"
    supports = ("real", "unit")
    axes = ("channels", "height", "width")
    shape: tuple[int, int, int]
    latent_dim: int
    network: str = "small"
    likelihood: Likelihood = field(default_factory=Gaussian)
    beta: float = 1.0
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None
    objective: Objective = field(default_factory=Plain)

    def as_float(self, data: Tensor) -> Tensor:
        return data.to(torch.float32) / 255 if data.dtype == torch.uint8 else data.to(torch.float32)

    def check(self, name: str, data: Tensor) -> None:
        if data.dtype != torch.uint8:
            super().check(name, data)
