"""What views have in common whose networks go by a name."""

from abc import ABC
from typing import ClassVar

import torch
from torch import nn

from pyro_favae.errors import SpecError
from pyro_favae.models import networks
from pyro_favae.models.declaration import counts_of
from pyro_favae.models.views.decoder import DecoderView, encoded_moments

#: what a network raises that cannot take what it is given
MISFITS = (RuntimeError, ValueError, TypeError, IndexError)


class NetworkView(DecoderView, ABC):
    """Data (rows, *shape) behind networks by name; a row may lack the view, but not single entries.

    Networks that a user registered are tried on two rows of zeros when the view is declared. Raises
    :class:`SpecError` naming the network, what it gives and what is expected, where they do not fit.
    """

    axes: ClassVar[tuple[str, ...] | None] = None  # names of the shape's dimensions, if their number is fixed

    shape: tuple[int, ...]
    network: str

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = f"views.{type(self).__name__}"
        object.__setattr__(self, "shape", counts_of(kind, "shape", self.shape))
        if self.axes is not None and len(self.shape) != len(self.axes):
            raise SpecError(f"{kind}: shape is {self.shape}, expected ({', '.join(self.axes)})")
        network = networks.find(self.network)
        network.check(self.shape)
        if isinstance(network, networks.Given):
            try_networks(self)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    def encoder(self) -> nn.Module:
        return networks.find(self.network).encoder(self.inputs_shape, self.latent_dim)

    def decoder(self) -> nn.Module:
        return networks.find(self.network).decoder(self.shape, self.latent_dim, self.likelihood.outputs)


@torch.no_grad()
def try_networks(view: NetworkView) -> None:
    """Run two rows of zeros through fresh networks; raises :class:`SpecError` where shapes do not fit."""
    with torch.random.fork_rng(devices=[]):
        emission, encoder = view.emission().cpu().eval(), view.encoder().cpu().eval()
        inputs = emission.inputs(torch.zeros(2, *view.shape), None)
        what = f"its encoder, tried on zeros {tuple(inputs.shape)}"
        try:
            encoded_moments(encoder(inputs), 2, view.latent_dim)
            what = f"its decoder, tried on zeros (2, {view.latent_dim})"
            emission.decoded(torch.zeros(2, view.latent_dim))
        except MISFITS as error:
            raise SpecError(
                f"views.{type(view).__name__}: network {view.network!r} does not fit data (rows, "
                f"{', '.join(map(str, view.shape))}) and latent_dim={view.latent_dim}: {what}: {error}"
            ) from error
