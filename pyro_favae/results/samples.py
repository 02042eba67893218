"""Draws from the exact posterior, and what follows from them alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from pyro_favae.data import given_views, require_view
from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import require_count, require_flag
from pyro_favae.results import alignment, sampled_rows
from pyro_favae.results.draws import seeded
from pyro_favae.results.fit import Fit
from pyro_favae.results.tables import Prediction


@dataclass(frozen=True, repr=False, eq=False)
class Samples:
    """Chains of draws from the exact posterior of what the rows share; see :func:`pyro_favae.sample`.

    Arrays in and out are in the user's units. Factors of one draw are those of another only up to rotation and sign:
    look at :meth:`shared_covariance` and :meth:`predict`, which do not depend on them, or at :meth:`aligned` draws.
    fit: the fit that the chains were started from. sites: by the model's names and in its own units,
    (chains, draws, ...) each. ended_by: ``"draws"`` or ``"interrupted"``.
    """

    fit: Fit
    sites: Mapping[str, Tensor]
    ended_by: str

    @property
    def chains(self) -> int:
        """How many chains."""
        return next(iter(self.sites.values())).shape[0]

    @property
    def draws(self) -> int:
        """How many draws each chain has."""
        return next(iter(self.sites.values())).shape[1]

    @property
    def flat(self) -> dict[str, Tensor]:
        """The sites, chain after chain, (chains · draws, ...)."""
        return {name: value.flatten(0, 1) for name, value in self.sites.items()}

    def weights(self, view: str) -> np.ndarray:
        """Draws of a view's weights, (chains, draws, D, K)."""
        require_view(self.fit.declaration, view)
        unit = cast(
            Tensor, self.fit.model.emission(view).unit
        ).cpu()  # every view that can be sampled has one
        return (self.sites[f"{view}.weights"] * unit[:, None]).numpy()

    def shared_covariance(self, *views: str) -> np.ndarray:
        """Draws of W Wᵀ, (chains, draws, ΣD, ΣD): the covariance of features that the factors explain.

        views: whose features, in this order; all when none is named. No rotation of the factors changes it.
        """
        stacked = np.concatenate([self.weights(view) for view in views or self.fit.declaration.views], 2)
        return stacked @ stacked.swapaxes(-1, -2)

    def factors(self, given: Mapping[str, Any], seed: int | None = None) -> np.ndarray:
        """Draws of the factors of rows, (chains, draws, rows, K), one for each draw of the globals."""
        dataset = given_views(self.fit.declaration, given)
        with seeded(self.fit.guide, seed):
            parts = [
                part.cpu() for _, part in sampled_rows.factors_by_draw(self.fit.guide, dataset, self.flat)
            ]
        return torch.cat(parts).unflatten(0, (self.chains, self.draws)).numpy()

    def predict(
        self, view: str, given: Mapping[str, Any], n_draws: int = 0, seed: int | None = None
    ) -> Prediction:
        """Predictive distribution of a view given any subset of views, over all draws and noise.

        As :meth:`pyro_favae.Fit.predict`; ``draws`` (n_draws, rows, D) belong to draws of the globals that are evenly
        spaced along the chains. Raises :class:`SpecError` for more than there are.
        """
        require_view(self.fit.declaration, view)
        require_count("predict", least=0, n_draws=n_draws)
        if n_draws > self.chains * self.draws:
            raise SpecError(f"predict: n_draws is {n_draws}, expected at most {self.chains * self.draws}")
        dataset = given_views(self.fit.declaration, given)
        return sampled_rows.predict(self.fit.guide, view, dataset, self.flat, n_draws, seed)

    def aligned(self, rotate: bool = True) -> "Samples":
        """The same draws with their factors turned towards those of the fit.

        rotate: by the orthogonal matrix that brings the weights closest to the fit's, in units of the noise
        (Schönemann 1966); what stands above the weights belongs to the axes that they had, and is left out. Otherwise
        by order and signs alone, the best assignment of the weights' columns, and everything is kept.
        """
        require_flag("aligned", rotate=rotate)
        turn = alignment.rotated if rotate else alignment.reordered
        return replace(self, sites=turn(self.sites, self.fit.posterior))

    def __repr__(self) -> str:
        return f"Samples({self.chains} chains of {self.draws} draws, ended by {self.ended_by})"
