"""Networks by name: an encoder to 2·D outputs (means, log variances) and the decoder that mirrors it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import prod

from torch import nn

from pyro_favae.errors import SpecError, shown

Shape = tuple[int, ...]
Part = nn.Module | Callable[[Shape, int], nn.Module]


class Network(ABC):
    """A pair of networks for rows of data of a given shape."""

    @abstractmethod
    def encoder(self, shape: Shape, latent_dim: int) -> nn.Module:
        """Return a fresh encoder, (rows, *shape) → (rows, 2 D): means and log variances."""

    @abstractmethod
    def decoder(self, shape: Shape, latent_dim: int, outputs: int = 1) -> nn.Module:
        """Return a fresh decoder, (rows, D) → (rows, *shape), or (rows, outputs, *shape) if more than one."""

    def check(self, shape: Shape) -> None:
        """Raise :class:`SpecError` for a shape that the networks cannot take."""
        return


@dataclass(frozen=True)
class Convolutional(Network):
    """Convolutions of kernel 4, stride 2 and padding 1, then a hidden layer if there is one; ReLU throughout.

    normalised: batch-normalise what the convolutions give, which learns in fewer passes.
    """

    channels: tuple[int, ...]
    hidden: int | None = None
    normalised: bool = False

    @property
    def divisor(self) -> int:
        """What must divide an image's height and width."""
        return 2 ** len(self.channels)

    def check(self, shape: Shape) -> None:
        if len(shape) != 3 or shape[1] % self.divisor or shape[2] % self.divisor:
            raise SpecError(
                f"a network of {len(self.channels)} convolutions of stride 2 needs a height and width divisible by "
                f"{self.divisor}, seen {shape}; pad or crop the images, or use network='dense'"
            )

    def encoder(self, shape: Shape, latent_dim: int) -> nn.Module:
        layers, seen = [], shape[0]
        for channels in self.channels:
            layers += [nn.Conv2d(seen, channels, 4, stride=2, padding=1), *self._norm(channels), nn.ReLU()]
            seen = channels
        layers += [nn.Flatten(), *self._hidden_layers(prod(self._inner(shape)))]
        return nn.Sequential(*layers, nn.Linear(self.hidden or prod(self._inner(shape)), 2 * latent_dim))

    def decoder(self, shape: Shape, latent_dim: int, outputs: int = 1) -> nn.Module:
        inner = self._inner(shape)
        layers = [*self._hidden_layers(latent_dim), nn.Linear(self.hidden or latent_dim, prod(inner))]
        layers += [nn.ReLU(), nn.Unflatten(1, inner)]
        sizes = [*self.channels[::-1], outputs * shape[0]]
        for seen, channels in zip(sizes[:-1], sizes[1:], strict=True):
            back = nn.ConvTranspose2d(seen, channels, 4, stride=2, padding=1)
            layers += [back, *self._norm(channels), nn.ReLU()]
        last = len(self._norm(sizes[-1])) + 1
        return nn.Sequential(*layers[:-last], *split_outputs(outputs, shape[0]))

    def _norm(self, channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels)] if self.normalised else []

    def _hidden_layers(self, size: int) -> list[nn.Module]:
        return [] if self.hidden is None else [nn.Linear(size, self.hidden), nn.ReLU()]

    def _inner(self, shape: Shape) -> Shape:
        return (self.channels[-1], shape[1] // self.divisor, shape[2] // self.divisor)


@dataclass(frozen=True)
class Dense(Network):
    """Hidden layers with ReLU on the flattened data, of any shape."""

    hidden: tuple[int, ...] = (256,)

    def encoder(self, shape: Shape, latent_dim: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), *perceptron([prod(shape), *self.hidden, 2 * latent_dim]))

    def decoder(self, shape: Shape, latent_dim: int, outputs: int = 1) -> nn.Module:
        event = shape if outputs == 1 else (outputs, *shape)
        return nn.Sequential(
            *perceptron([latent_dim, *self.hidden[::-1], prod(event)]), nn.Unflatten(1, event)
        )


@dataclass(frozen=True)
class Given(Network):
    """Networks that a user registered: modules, copied for each model, or what makes them."""

    name: str
    parts: tuple[Part, Part]

    def encoder(self, shape: Shape, latent_dim: int) -> nn.Module:
        return self._made("encoder", self.parts[0], shape, latent_dim)

    def decoder(self, shape: Shape, latent_dim: int, outputs: int = 1) -> nn.Module:
        return self._made("decoder", self.parts[1], shape, latent_dim)

    def _made(self, what: str, part: Part, shape: Shape, latent_dim: int) -> nn.Module:
        module = deepcopy(part) if isinstance(part, nn.Module) else part(shape, latent_dim)
        if not isinstance(module, nn.Module):
            raise SpecError(
                f"network {self.name!r}: the function registered for its {what} returns a {type(module).__name__} "
                f"for data of shape {shape} and latent_dim={latent_dim}, expected a torch module"
            )
        return module


def perceptron(sizes: list[int]) -> list[nn.Module]:
    """Linear layers of these sizes with ReLU between them."""
    layers = []
    for seen, size in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(seen, size), nn.ReLU()]
    return layers[:-1]


def split_outputs(outputs: int, size: int) -> list[nn.Module]:
    """Layers that take (rows, outputs · size, …) to (rows, outputs, size, …) where there are several outputs."""
    return [] if outputs == 1 else [nn.Unflatten(1, (outputs, size))]


NETWORKS: dict[str, Network] = {
    "small": Convolutional((32, 32), 256),
    "small-normalised": Convolutional((16, 32, 64), normalised=True),
    "deep-normalised": Convolutional((16, 32, 64, 128, 256), normalised=True),
    "dense": Dense(),
    # FA-VAE paper, Section 3.1, and the deeper one of Section 3.3
    "favae": Convolutional((64, 128, 256, 512, 1024)),
    "favae-deep": Convolutional((64, 128, 256, 512, 1024, 2048)),
    # influential-factors paper, Table A.4
    "influence-mnist": Convolutional((32, 32), 256),
    "influence-celeba": Convolutional((32, 32, 64, 64), 256),
    "influence-eeg": Convolutional((32, 32, 64, 64), 256),
}


def names() -> list[str]:
    """The names that :func:`find` knows.

    >>> "small" in names()
    True
    """
    return sorted(NETWORKS)


def register(name: str, encoder: Part, decoder: Part) -> None:
    """Make networks of your own known by a name, for ``fv.views.VAE`` or ``fv.views.Image``.

    encoder: a module, copied with its weights for each model that uses it, or a function of the data's shape and
    D that returns one: (rows, *shape) → (rows, 2 D), means and log variances, or the two as a tuple. decoder: the
    same, (rows, D) → (rows, *shape), or (rows, outputs, *shape) for a likelihood of several outputs. Register the
    same name again before loading a saved fit. Raises :class:`SpecError` for a built-in name and for what cannot be
    called.
    """
    if not isinstance(name, str) or not name:
        raise SpecError(f"register: the name is {shown(name)}, expected a non-empty string")
    if name in NETWORKS and not isinstance(NETWORKS[name], Given):
        raise SpecError(f"register: {name!r} is the name of a built-in network; choose another")
    for what, part in (("encoder", encoder), ("decoder", decoder)):
        if not callable(part):
            raise SpecError(
                f"register: the {what} is a {type(part).__name__}, expected a torch module or a function"
            )
    NETWORKS[name] = Given(name, (encoder, decoder))


def find(name: str) -> Network:
    """Return the networks; raises :class:`SpecError` for an unknown name."""
    if not isinstance(name, str) or name not in NETWORKS:
        raise SpecError(
            f"unknown network {shown(name)}; known: {', '.join(names())}; register a network of your own first: "
            f"fv.networks.register({shown(name)}, encoder, decoder)"
        )
    return NETWORKS[name]
