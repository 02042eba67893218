"""What views behind an encoder and a decoder have in common."""

from abc import ABC, abstractmethod
from typing import ClassVar, cast

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor, nn
from torch.distributions import AffineTransform

from pyro_favae.errors import SpecError, shown
from pyro_favae.models.declaration import require_count, require_positive
from pyro_favae.models.execution import run
from pyro_favae.models.likelihoods import Likelihood
from pyro_favae.models.objectives import Objective, Plain
from pyro_favae.models.views.base import Emission, Moments, View, names_of, require_finite
from pyro_favae.models.views.real import RealEmission


class DecoderView(View, ABC):
    """x_n ~ likelihood(decoder(z_n)), z_n ~ N(W g_n + b, 1/τ); q(z_n) = N(μ(x_n), diag s(x_n)) from an encoder.

    FA-VAE paper, Eqs. 7 and 8. A kind declares its data's shape and its networks. beta: tempers the view's likelihood
    by 1/beta while learning, as in a β-VAE. objective: what its networks descend besides, see ``fv.objectives``. With
    ``missing_entries``, entries that are missing are zero for the encoder, which is also told which are observed, and
    do not occur in the likelihood.
    """

    supports: ClassVar[tuple[str, ...]] = ("real", "unit", "count", "class")  # of the likelihood

    latent_dim: int
    likelihood: Likelihood
    beta: float
    objective: Objective = Plain()  # of kinds that declare no choice

    def __post_init__(self) -> None:
        super().__post_init__()
        kind = f"views.{type(self).__name__}"
        require_count(kind, latent_dim=self.latent_dim)
        require_positive(kind, beta=self.beta)
        if not isinstance(self.likelihood, Likelihood):
            raise SpecError(f"{kind}: likelihood is {shown(self.likelihood)}, expected one of fv.likelihoods")
        if not isinstance(self.objective, Objective):
            raise SpecError(f"{kind}: objective is {shown(self.objective)}, expected one of fv.objectives")
        if self.likelihood.support not in self.supports:
            raise SpecError(
                f"{kind}: {self.likelihood!r} is of {self.likelihood.support} data, expected one of "
                f"{', '.join(self.supports)} data"
            )

    @property
    def feature_names(self) -> tuple[str, ...]:
        return names_of(self.latent_dim)

    @property
    def inputs_shape(self) -> tuple[int, ...]:
        """Shape of what the encoder sees of a row, as the emission's ``inputs`` gives it."""
        event, size = self.event_shape, self.likelihood.inputs
        if self.missing_entries:
            return (*event[:-1], event[-1] * (size + 1))
        return event if size == 1 else (size, *event)

    @abstractmethod
    def encoder(self) -> nn.Module:
        """Return a fresh encoder, (rows, *inputs_shape) → (rows, 2 D): means and log variances, or a pair."""

    @abstractmethod
    def decoder(self) -> nn.Module:
        """Return a fresh decoder, (rows, D) → (rows, *event), or (rows, outputs, *event) of several outputs."""

    def units(self) -> RealEmission | None:
        """The scale of the data's last dimension that networks are spared; None for data taken as they are."""
        return None

    def emission(self) -> "DecoderEmission":
        return DecoderEmission(self)

    def check(self, name: str, data: Tensor) -> None:
        require_finite(name, data, self.missing_entries)
        self.likelihood.check(name, data)


class DecoderEmission(Emission):
    """A decoder network, its likelihood, and the units that both are spared."""

    def __init__(self, view: DecoderView) -> None:
        super().__init__()
        self.decoder = view.decoder()
        self.likelihood = view.likelihood.build(view.event_shape)
        self.units = view.units()
        self.needs_moments = self.units is not None
        self.missing_entries = view.missing_entries
        outputs = view.likelihood.outputs
        self.decoded_shape = view.event_shape if outputs == 1 else (outputs, *view.event_shape)

    def calibrate(self, moments: Moments) -> None:
        if self.units is not None:
            self.units.calibrate(moments)

    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        with poutine.mask(mask=cast(torch.BoolTensor, observed.flatten(1).any(1))):
            latents = pyro.sample(f"{view}.latents", dist.Normal(mean, precision**-0.5).to_event(1))
            return self.sample_data(view, latents, data, entries_of(observed))

    def sample_data(self, view: str, latents: Tensor, data: Tensor | None, entries: Tensor | None) -> Tensor:
        """Emit ``{view}.data`` given the latents; entries: booleans (rows, *event), None where all are observed."""
        values = self.distribution(latents)
        values = values if entries is None else values.mask(entries)
        return pyro.sample(f"{view}.data", values.to_event(len(values.batch_shape) - 1), obs=data)

    def distribution(self, latents: Tensor) -> dist.TorchDistribution:
        """The distributions of the data's entries given the latents, in the user's units."""
        values = self.likelihood.distribution(self.decoded(latents))
        if self.units is None:
            return values
        change = AffineTransform(self.units.location, self.units.scale)
        return dist.TransformedDistribution(values, change, validate_args=False)

    def log_prob(self, latents: Tensor, data: Tensor) -> Tensor:
        """Log density of each entry of data (rows, *event) given the latents (rows, D), in nats."""
        return self.distribution(latents).log_prob(data)

    def inputs(self, data: Tensor, entries: Tensor | None) -> Tensor:
        """What the encoder sees of data (rows, *event).

        That is what the likelihood makes of it, in standard units; where entries may be missing, zeros for them, and
        beside it in the last dimension whether they are observed.
        """
        kind = dtype_of(self.decoder)
        values = self.likelihood.encode(data if self.units is None else self.units.encode(data)).to(kind)
        if not self.missing_entries:
            return values
        known = torch.ones_like(data, dtype=kind) if entries is None else entries.to(kind)
        if values.dim() > data.dim():
            values = (values * known[:, None]).movedim(1, -2).flatten(-2)
        else:
            values = values * known
        return torch.cat([values, known], -1)

    def decode(self, latents: Tensor) -> Tensor:
        return self._in_units(self.likelihood.mean(self.decoded(latents)))

    def draw(self, latents: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self._in_units(self.likelihood.draw(self.decoded(latents), generator))

    def replicate(self, latents: Tensor) -> Tensor:
        return self.distribution(latents).sample()

    def filling(self, mean: Tensor, deviation: Tensor) -> Tensor:
        return self.likelihood.filling(mean)

    def _in_units(self, values: Tensor) -> Tensor:
        return values if self.units is None else self.units.decode(values)

    def decoded(self, latents: Tensor) -> Tensor:
        """What the decoder says, (rows, *event) or (rows, outputs, *event)."""
        decoded = run(self.decoder, latents.to(dtype_of(self.decoder)))
        expected = (len(latents), *self.decoded_shape)
        if not isinstance(decoded, Tensor) or decoded.shape != expected:
            raise SpecError(
                f"the decoder gives {described(decoded)} for latents {tuple(latents.shape)}, expected {expected}"
            )
        return decoded


def encoded_moments(
    output: Tensor | tuple[Tensor, Tensor], rows: int, latent_dim: int
) -> tuple[Tensor, Tensor]:
    """Means and log variances, (rows, D) each, of what an encoder gives; raises :class:`SpecError` otherwise."""
    halves: object = output
    if isinstance(output, Tensor) and output.shape == (rows, 2 * latent_dim):
        halves = output.chunk(2, dim=1)
    if isinstance(halves, tuple | list):
        shapes = [half.shape for half in halves if isinstance(half, Tensor)]
        if len(halves) == 2 and shapes == 2 * [(rows, latent_dim)]:
            return halves[0], halves[1]
    raise SpecError(
        f"the encoder gives {described(output)}, expected means and log variances, {(rows, 2 * latent_dim)} or "
        f"a tuple of two {(rows, latent_dim)}"
    )


def described(output: object) -> str:
    """What a network gave, in words."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(map(described, output)) or 'nothing'}"
    return f"a {type(output).__name__}"


def dtype_of(network: nn.Module) -> torch.dtype:
    """The type that a network computes in."""
    return next((parameter.dtype for parameter in network.parameters()), torch.float32)


def entries_of(observed: Tensor) -> Tensor | None:
    """What is observed by entry; None where rows have the view as a whole, (rows, 1), or lack it."""
    return None if observed.shape[1:] == (1,) else observed
