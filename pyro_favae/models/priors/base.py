"""What a prior on the weights, on the noise and on the shared factors must provide."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import pyro
from torch import Tensor

from pyro_favae.models.declaration import Declaration


class WeightPrior(Declaration, ABC):
    """Prior of one view's weights W (D, K), bias excluded."""

    @abstractmethod
    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        """Emit the Pyro sites ``{view}.weights`` (D, K) and those above it; return the weights."""


class NoisePrior(Declaration, ABC):
    """Prior of one view's noise precision τ."""

    @property
    @abstractmethod
    def per_feature(self) -> bool:
        """Whether each feature has a precision of its own."""

    def check(self, view: str, n_features: int) -> None:
        """Raise :class:`SpecError` where this cannot be the prior of a view of so many features."""
        return

    @abstractmethod
    def sample(self, site: str, features: pyro.plate, unit: Tensor | None, device) -> Tensor:
        """Emit the site; return the precision of the latents, () or (D,).

        unit: user units per latent unit, (D,); None where latents have no units but their own.
        """


class FactorPrior(Declaration, ABC):
    """Prior of the shared factors g (N, K).

    Where rows belong to known groups, the prior declares their labels as ``groups``, and ``column`` is the key of the
    data that says which of them each row is of.
    """

    n_components: int = 1  # these three are fields of the priors that have them
    column: str | None = None
    groups: tuple[str, ...] = ()

    @abstractmethod
    def sample_globals(self, n_factors: int, device) -> Mapping[str, Tensor]:
        """Emit the Pyro sites that all rows share."""

    @abstractmethod
    def sample_rows(
        self, globals_: Mapping[str, Tensor], n_factors: int, device, groups: Tensor | None
    ) -> Tensor:
        """Emit the Pyro site ``factors`` (rows, K) inside the plate over rows; return the factors.

        groups: positions in ``self.groups``, (rows,); None where they are not known or there are none.
        """
