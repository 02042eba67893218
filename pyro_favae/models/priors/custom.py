"""Weights under any distribution over the real numbers that Pyro has."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import Distribution

from pyro_favae.errors import SpecError, shown
from pyro_favae.models.priors.base import WeightPrior

DRAWS = 1001  # from which a density's width is read, to see that it is one
REACH, POINTS = 80.0, 16_001  # of the grid it is summed on: from e^-80 to e^80 widths either way
MASS_TOLERANCE = 1e-3


@dataclass(frozen=True, init=False)
class Custom(WeightPrior):
    """w_dk ~ any univariate distribution over the real line, by its name in ``pyro.distributions`` or an instance.

    ``Custom(dist.Laplace(0.0, 1.0))`` and ``Custom("Laplace", loc=0.0, scale=1.0)`` are the same declaration. It
    keeps the name and the numbers: what an instance holds in single precision is read as its shortest decimal.
    Raises :class:`SpecError` for a distribution that is not univariate, has no density on the whole real line
    that sums to one, or is not described by numbers alone.

    >>> import pyro.distributions as dist
    >>> Custom(dist.Laplace(0.0, 0.3)) == Custom("Laplace", loc=0.0, scale=0.3)
    True
    """

    group = "priors"
    distribution: str
    parameters: tuple[tuple[str, float], ...]

    def __init__(self, distribution: str | Distribution, parameters: Any = (), **named: float) -> None:
        if isinstance(distribution, Distribution):
            if parameters or named:
                raise SpecError(
                    f"priors.Custom: an instance has its parameters; seen {parameters or named} too"
                )
            parameters, distribution = _parameters_of(distribution), type(distribution).__name__
        try:
            values = dict(parameters) | named
        except (TypeError, ValueError) as error:
            raise SpecError(
                f"priors.Custom: parameters is {shown(parameters)}, expected numbers by name"
            ) from error
        object.__setattr__(self, "distribution", distribution)
        object.__setattr__(
            self, "parameters", tuple(sorted((str(k), _number(k, v)) for k, v in values.items()))
        )
        self._check()

    def build(self, device: torch.device | None = None, validate_args: bool = True) -> dist.TorchDistribution:
        """The distribution of one weight, in double precision; raises :class:`SpecError` if there is none."""
        cls = _distribution_class(self.distribution)
        if cls is None:
            raise SpecError(
                f"priors.Custom: pyro.distributions has no distribution {shown(self.distribution)}"
            )
        values = {k: torch.tensor(v, dtype=torch.float64, device=device) for k, v in self.parameters}
        try:
            return cls(**values, validate_args=validate_args)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise SpecError(f"priors.Custom: {self._name} cannot be built: {error}") from error

    @property
    def symmetric(self) -> bool:
        """Whether w and −w are equally likely."""
        prior = self.build()
        x = torch.logspace(-6, 6, 121, dtype=torch.float64)
        return torch.allclose(prior.log_prob(x), prior.log_prob(-x), rtol=1e-9, atol=1e-12)

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit ``{view}.weights`` (D, K)."""
        with features:
            return pyro.sample(f"{view}.weights", self.build(device).expand([n_factors]).to_event(1))

    @property
    def _name(self) -> str:
        return f"{self.distribution}({', '.join(f'{k}={v:g}' for k, v in self.parameters)})"

    def _check(self) -> None:
        prior = self.build()
        if prior.batch_shape or prior.event_shape:
            raise SpecError(
                f"priors.Custom: {self._name} has shape {tuple(prior.batch_shape + prior.event_shape)}, "
                "expected the distribution of a single number"
            )
        if not isinstance(prior.support, type(dist.constraints.real)):
            raise SpecError(
                f"priors.Custom: {self._name} is a distribution over {prior.support}, expected one over all real "
                "numbers, as weights are"
            )
        mass = _mass(prior)
        if not abs(mass - 1) < MASS_TOLERANCE:
            raise SpecError(
                f"priors.Custom: the density of {self._name} sums to {mass:.3g} over the real line, expected 1; "
                "it is not a continuous distribution over all real numbers, or has no density to evaluate"
            )


def _distribution_class(name: Any) -> type[Any] | None:
    """The class of Pyro's that has a name and says what its parameters are, if there is one."""
    cls = getattr(dist, name, None) if isinstance(name, str) else None
    if not (isinstance(cls, type) and issubclass(cls, Distribution)):
        return None
    return None if cls.arg_constraints is Distribution.arg_constraints else cls  # that of bases says nothing


def _parameters_of(instance: Distribution) -> Mapping[str, Tensor]:
    """What an instance was built from; its class must be one of Pyro's or what that stands on."""
    name = type(instance).__name__
    known = _distribution_class(name)
    if known is None or not issubclass(known, type(instance)):
        raise SpecError(f"priors.Custom: {name} is not a distribution of pyro.distributions")
    try:
        return {name: getattr(instance, name) for name in instance.arg_constraints}
    except (AttributeError, NotImplementedError) as error:
        raise SpecError(f"priors.Custom: the parameters of {name} cannot be read: {error}") from error


def _number(name: str, value: Any) -> float:
    """A parameter as a number; single precision as the decimal that it was most likely written as."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.dim():
        value = value.detach().cpu().numpy()[()]
    if isinstance(value, np.floating):
        value = float(str(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise SpecError(f"priors.Custom: parameter {name!r} is {shown(value)}, expected one finite number")
    return float(value)


def _mass(prior: dist.TorchDistribution) -> float:
    """∫ p(x) dx over a grid that grows finer towards the location; not a number where p has no density."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        draws = prior.sample((DRAWS,)).to(torch.float64)
    low, median, high = draws.quantile(draws.new_tensor([0.25, 0.5, 0.75]))
    t = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    away, centre = (high - low) * t.exp(), getattr(prior, "loc", median)
    try:
        density = prior.log_prob(centre + away).exp() + prior.log_prob(centre - away).exp()
    except (NotImplementedError, ValueError):
        return float("nan")
    return float(torch.trapezoid(density * away, t))
