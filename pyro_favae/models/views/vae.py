"""Data of any shape behind networks of the user's own."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from pyro_favae.models.likelihoods import Gaussian, Likelihood
from pyro_favae.models.objectives import Objective, Plain
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.network import NetworkView


@dataclass(frozen=True)
class VAE(NetworkView):
    """x_n ~ likelihood(decoder(z_n)), z_n ~ N(W g_n + b, 1/τ): data (rows, *shape), q(z) = N(μ(x), diag s(x)).

    network: a name given to torch modules by :func:`pyro_favae.networks.register`, or one that is built in. The
    encoder takes (rows, *shape) to (rows, 2 D), means and log variances, or to the two as a tuple; the decoder
    (rows, D) to (rows, *shape). Both see the data as they are: put units into the modules, or standardise the data.
    likelihood: of each entry. beta: tempers the view's likelihood by 1/beta while learning. A row of NaN, or
    ``None`` in a list, lacks the view; single entries cannot be missing. FA-VAE paper, Eqs. 7 and 8.
    """

    group = "views"
    shape: tuple[int, ...]
    latent_dim: int
    network: str
    likelihood: Likelihood = field(default_factory=lambda: Gaussian(1.0, learn=True, link="identity"))
    beta: float = 1.0
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None
    objective: Objective = field(default_factory=Plain)

    def as_float(self, data: Tensor) -> Tensor:
        return data if data.dtype == torch.float64 else data.to(torch.float32)
