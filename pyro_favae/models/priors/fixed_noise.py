"""Noise of a known size."""

from dataclasses import dataclass

import pyro
import torch
from torch import Tensor

from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import NoisePrior


@dataclass(frozen=True)
class FixedNoise(NoisePrior):
    """τ is known, as of an instrument whose error has been measured: one number for a view, or one a feature.

    precision: 1 / variance of the noise in the user's units, whatever the view standardises by: where latents are
    the data divided by a unit u, their own precision is precision · u². In a view whose latents have no units
    (``Image``, ``Bernoulli``, ``Categorical``) it is that of the latents; there it pins their scale.
    """

    group = "priors"
    precision: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.precision, tuple | list):
            require_positive("priors.FixedNoise", precision=self.precision)
            return
        object.__setattr__(self, "precision", tuple(self.precision))
        for i, value in enumerate(self.precision):
            require_positive("priors.FixedNoise", **{f"precision[{i}]": value})

    @property
    def per_feature(self) -> bool:
        return isinstance(self.precision, tuple)

    def check(self, view: str, n_features: int) -> None:
        if isinstance(self.precision, tuple) and len(self.precision) != n_features:
            raise SpecError(
                f"view {view!r}: its noise priors.FixedNoise has {len(self.precision)} precisions, expected "
                f"{n_features}, one for each feature, or a single number for all"
            )

    def latent_precision(self, unit: Tensor | None, device) -> Tensor:
        """The precision of latents that are data divided by ``unit`` (D,): () or (D,)."""
        precision = torch.tensor(self.precision, dtype=torch.float64, device=device)
        return precision if unit is None else precision * unit.square()

    def sample(self, site: str, features: pyro.plate, unit: Tensor | None, device) -> Tensor:
        """Emit the site as a deterministic one."""
        return pyro.deterministic(site, self.latent_precision(unit, device))
