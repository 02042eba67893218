"""What a kind of view must provide on the generative side."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.errors import DataError, SpecError, shown
from pyro_favae.models.declaration import Declaration, require_count
from pyro_favae.models.describe import view_table
from pyro_favae.models.priors import NoisePrior, WeightPrior


class Moments(NamedTuple):
    """Moments of the observed entries of each column of a view, float64, (D,)."""

    mean: Tensor
    variance: Tensor  # about the mean, divided by the count
    largest: Tensor  # in absolute value
    count: Tensor  # type: ignore[assignment]  # hides a tuple's own, which counts equal items


class Emission(nn.Module, ABC):
    """p(data | W g + b): owns what the generative side of one view learns by gradient or reads off data."""

    needs_moments: bool = False  # whether units are read off the data
    link_variance: float = 0.0  # of the noise under which a latent's class or sign is what is seen

    @abstractmethod
    def sample(
        self, view: str, mean: Tensor, precision: Tensor, data: Tensor | None, observed: Tensor
    ) -> Tensor:
        """Emit the view's Pyro sites inside the plate over rows.

        mean: W g + b, (rows, D). precision: τ, () or (D,). data: (rows, *event) observed, or None to draw.
        observed: booleans (rows, 1), or (rows, D) where single entries are missing.
        """

    @abstractmethod
    def decode(self, latents: Tensor) -> Tensor:
        """E[data | latents], (rows, D) → (rows, *event), in the user's units."""

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor] | None:
        """Mean and variance of the data when latents are N(mean, diag variance), each (..., D), if known.

        None where they have no formula, as behind a decoder.
        """
        return None

    def log_density(self, mean: Tensor, variance: Tensor, data: Tensor) -> Tensor | None:
        """Log density of each entry of data (..., *event) when latents are N(mean, diag variance), each (..., D).

        In nats, of data in the user's units. None where it has no formula, as behind a decoder: then it is averaged
        over draws of the latents by :meth:`log_prob`.
        """
        return None

    def log_prob(self, latents: Tensor, data: Tensor) -> Tensor:
        """Log density of each entry of data given latents (rows, D): (rows, *event), nats."""
        raise NotImplementedError(f"{type(self).__name__} has neither log_density nor log_prob")

    def draw(self, latents: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Data drawn given latents; the expectation for continuous data, whose pixel noise nobody wants."""
        return self.decode(latents)

    def replicate(self, latents: Tensor) -> Tensor:
        """Data drawn with all their noise, (rows, *event), from torch's own generator."""
        return self.draw(latents)

    def filling(self, mean: Tensor, deviation: Tensor) -> Tensor:
        """What stands in for missing data, (rows, *event), given predictive means and standard deviations."""
        return mean

    def calibrate(self, moments: Moments) -> None:
        """Set units from the moments of what is observed, once, before learning starts. Most views have none."""
        return

    @property
    def unit(self) -> Tensor | None:
        """User units per latent unit, (D,), where latents are a linear scale of the data; None elsewhere."""
        return None


def sample_latents(view: str, mean: Tensor, precision: Tensor, observed: Tensor) -> Tensor:
    """Emit ``{view}.latents`` ~ N(mean, 1/precision), (rows, D), what is not observed left out of the density."""
    prior = dist.Normal(mean, precision**-0.5).mask(observed)
    return pyro.sample(f"{view}.latents", prior.to_event(1))


class View(Declaration, ABC):
    """A declared view. ``weights`` and ``noise`` override the model's priors for this view.

    latent_dim: D, the size of the view's private latent; a field of some kinds, a property of others.
    """

    binary: ClassVar[bool] = False  # whether the data are 0 or 1
    missing_entries: ClassVar[bool] = False  # whether single entries of a row may be missing

    if TYPE_CHECKING:  # a property in fact would be taken for the field's default

        @property
        def latent_dim(self) -> int: ...

    else:
        latent_dim: int
    weights: WeightPrior | None
    noise: NoisePrior | None

    def __post_init__(self) -> None:
        for field, kind in (("weights", WeightPrior), ("noise", NoisePrior)):
            prior = getattr(self, field)
            if prior is not None and not isinstance(prior, kind):
                raise SpecError(
                    f"views.{type(self).__name__}: {field} is {shown(prior)}, expected a {kind.__name__} prior or "
                    "None"
                )

    def _repr_html_(self) -> str:
        return view_table(self)

    @property
    @abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one row of the data."""

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """Names of the D latent dimensions."""

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names by which a table's columns are found in a data frame."""
        return self.feature_names

    @property
    def is_drawn(self) -> bool:
        """Whether the model draws the view's data; those of some views say what q(z) is instead."""
        return True

    @abstractmethod
    def emission(self) -> Emission:
        """Return a fresh, untrained generative half."""

    @abstractmethod
    def check(self, name: str, data: Tensor) -> None:
        """Raise :class:`DataError` where observed rows (rows, *event) hold values this view cannot mean.

        NaN marks missing entries where the view may have them.
        """

    def as_float(self, data: Tensor) -> Tensor:
        """Data in the type that learning works in."""
        return data.to(torch.float64)

    def collected(self, name: str, rows: Sequence[np.ndarray]) -> np.ndarray:
        """Rows from a list, some of them not of the event shape, as one array (rows, ...).

        A view of variable length pads them with NaN here to (rows, *event). Raises :class:`DataError` for rows that
        have no common shape.
        """
        shapes = list(dict.fromkeys(row.shape for row in rows))
        if len(shapes) > 1:
            raise DataError(
                f"view {name!r} cannot be read as an array of numbers: its rows are of unequal shape, {shapes[0]} "
                f"and {shapes[1]}, expected {self.event_shape} each"
            )
        return np.stack(rows)


class TableView(View):
    """A view whose latents are its columns, declared by their number or their names; NaN is a missing entry."""

    missing_entries = True
    columns_field: ClassVar[str]  # the name of the field that declares them

    def __post_init__(self) -> None:
        super().__post_init__()
        declared = features_of(f"views.{type(self).__name__}", getattr(self, self.columns_field))
        object.__setattr__(self, self.columns_field, declared)

    @property
    def latent_dim(self) -> int:
        return number_of(getattr(self, self.columns_field))

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (self.latent_dim,)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return names_of(getattr(self, self.columns_field))


def features_of(kind: str, features: int | tuple[str, ...] | list[str]) -> int | tuple[str, ...]:
    """Validate a number of features or their names, and return it in hashable form."""
    if isinstance(features, bool) or not isinstance(features, int | tuple | list):
        raise SpecError(f"{kind}: expected a number of features or their names, seen {shown(features)}")
    if isinstance(features, int):
        require_count(kind, features=features)
        return features
    names = tuple(features)
    if not names or any(not isinstance(name, str) for name in names):
        raise SpecError(f"{kind}: feature names must be one or more strings, seen {shown(features)}")
    if len(set(names)) != len(names):
        raise SpecError(f"{kind}: feature names repeat: {sorted({n for n in names if names.count(n) > 1})}")
    return names


def number_of(features: int | tuple[str, ...]) -> int:
    """How many features are declared, by number or by names."""
    return features if isinstance(features, int) else len(features)


def names_of(features: int | tuple[str, ...]) -> tuple[str, ...]:
    """The names of features, numbered where only their number was declared."""
    return tuple(str(i) for i in range(features)) if isinstance(features, int) else features


def all_finite(data: Tensor) -> bool:
    """Whether nothing is NaN or infinite, told by the extremes in one pass that allocates nothing."""
    if not data.is_floating_point() or not data.numel():
        return True
    return all(bool(torch.isfinite(extreme)) for extreme in torch.aminmax(data))


def require_finite(name: str, data: Tensor, missing_entries: bool = False) -> None:
    """Raise :class:`DataError` if an observed row holds an infinity, or a NaN where no entry may be missing."""
    if all_finite(data):
        return
    bad = torch.isinf(data) if missing_entries else ~torch.isfinite(data)
    if bad.any():
        rows = int(bad.reshape(len(bad), -1).any(1).sum())
        infinite = bool(torch.isinf(data).any())
        what = "infinite" if infinite else "NaN (in rows that are not wholly NaN)"
        hint = (
            "" if infinite else "; a row wholly NaN lacks this view, but its single entries cannot be missing"
        )
        raise DataError(
            f"view {name!r}: {int(bad.sum())} {what} values in {rows} rows, expected finite numbers{hint}"
        )
