"""Networks by name: an encoder to 2·D outputs (mean, log variance) and the decoder that mirrors it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from torch import nn

from pyro_favae.errors import SpecError

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Network:
    """A registered architecture for images (channels, height, width); ``divisor`` must divide both sides."""

    encoder: Callable[[Shape, int], nn.Module]
    decoder: Callable[[Shape, int], nn.Module]
    divisor: int = 1


def _small_encoder(shape: Shape, latent_dim: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(shape[0], 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(prod(_quartered(shape)), 256),
        nn.ReLU(),
        nn.Linear(256, 2 * latent_dim),
    )


def _small_decoder(shape: Shape, latent_dim: int) -> nn.Module:
    inner = _quartered(shape)
    return nn.Sequential(
        nn.Linear(latent_dim, 256),
        nn.ReLU(),
        nn.Linear(256, prod(inner)),
        nn.ReLU(),
        nn.Unflatten(1, inner),
        nn.ConvTranspose2d(32, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, shape[0], 4, stride=2, padding=1),
    )


def _quartered(shape: Shape) -> Shape:
    return (32, shape[1] // 4, shape[2] // 4)


def _dense_encoder(shape: Shape, latent_dim: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), 256), nn.ReLU(), nn.Linear(256, 2 * latent_dim))


def _dense_decoder(shape: Shape, latent_dim: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(latent_dim, 256), nn.ReLU(), nn.Linear(256, prod(shape)), nn.Unflatten(1, shape)
    )


NETWORKS: dict[str, Network] = {
    "small": Network(_small_encoder, _small_decoder, divisor=4),  # two stride-2 convolutions, a layer of 256
    "dense": Network(_dense_encoder, _dense_decoder),  # one hidden layer of 256, images of any size
}


def find(name: str, shape: Shape) -> Network:
    """Return the network; raises :class:`SpecError` if it is unknown or its strides do not fit the shape."""
    if name not in NETWORKS:
        raise SpecError(f"unknown network {name!r}; registered: {', '.join(sorted(NETWORKS))}")
    network = NETWORKS[name]
    if shape[1] % network.divisor or shape[2] % network.divisor:
        raise SpecError(
            f"network {name!r} needs a height and width divisible by {network.divisor}, seen {shape}; "
            "pad or crop the images, or use network='dense'"
        )
    return network
