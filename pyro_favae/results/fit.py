"""What a fit is: the model, the posterior, and what follows from them alone."""

import os
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, overload

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data import prepare, require_view
from pyro_favae.errors import SpecError, shown
from pyro_favae.inference.activity import active_factors
from pyro_favae.inference.device import device_for
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.posterior import Posterior
from pyro_favae.models.declaration import require_count, require_flag, require_number
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.results import density, edits, files, latent_moves, predictive
from pyro_favae.results.pretrained import Pretrained
from pyro_favae.results.tables import Factors, Prediction


class Fit:
    """A fitted FA-VAE. Arrays in and out are in the user's units; ``given`` maps view names to data,
    and the column of a grouped prior to labels where they are known.

    model, guide: the trained Pyro callables. declaration: what was declared. history: data frame, one row a
    pass. ended_by: ``"tolerance"``, ``"epochs"``, ``"callback"`` or ``"interrupted"``.
    """

    def __init__(self, guide: FAVAEGuide, history: pd.DataFrame, ended_by: str) -> None:
        self.guide = guide
        self.history = history
        self.ended_by = ended_by

    @property
    def model(self) -> FAVAEModel:
        """The trained Pyro model."""
        return self.guide.model

    @property
    def declaration(self) -> FAVAE:
        """What was declared."""
        return self.guide.declaration

    @property
    def posterior(self) -> Posterior:
        """The posteriors of the global quantities, in the model's own (standardised) units."""
        return self.guide.posterior

    @property
    def elbo(self) -> float:
        """The bound after the last pass, in nats, every constant kept, of data in the user's units."""
        if not len(self.history):
            raise SpecError(
                f"no bound belongs to this fit, which is the {self.ended_by}; refine it on data first"
            )
        return float(self.history["elbo"].iloc[-1])

    @property
    def active(self) -> pd.DataFrame:
        """Which factors each view uses: booleans, views × factors."""
        mask = active_factors(self.posterior).cpu().numpy()
        return pd.DataFrame(mask, index=pd.Index(self.posterior.names, name="view")).rename_axis(
            columns="factor"
        )

    @property
    def groups(self) -> pd.DataFrame:
        """Where each group's factors lie and how far they spread, ``(mean or sd, factor)`` by group.

        Raises :class:`SpecError` unless the factors' prior has groups of rows, as ``priors.Grouped`` has.
        """
        prior, factors = self.declaration.factors, self.posterior.factors
        if prior.column is None:
            raise SpecError(f"the factors' prior {type(prior).__name__} has no groups of rows")
        means = factors.prior_means[:-1, 0].cpu().numpy()
        precisions = factors.prior_precision[:-1].diagonal(dim1=-2, dim2=-1).cpu().numpy()
        columns = pd.MultiIndex.from_product([("mean", "sd"), range(means.shape[1])], names=(None, "factor"))
        return pd.DataFrame(
            np.hstack([means, precisions**-0.5]), pd.Index(prior.groups, name=prior.column), columns
        )

    def weights(self, view: str) -> np.ndarray:
        """Posterior mean of a view's weights, (D, K), in the user's units per standard deviation of a factor."""
        self._known(view)
        return self._in_units(view, self.posterior.view(view).weights.weights)

    def weight_sd(self, view: str) -> np.ndarray:
        """Posterior standard deviations of the same, (D, K)."""
        self._known(view)
        return self._in_units(view, self.posterior.view(view).weights.moments.variance.sqrt())

    def weight_table(self, view: str) -> pd.DataFrame:
        """The same as a data frame, features × factors."""
        weights = pd.DataFrame(self.weights(view), index=list(self.declaration.views[view].feature_names))
        return weights.rename_axis(index="feature", columns="factor")

    def inclusion(self, view: str) -> pd.DataFrame:
        """Posterior probability that each weight is on, features × factors.

        Raises :class:`SpecError` unless the view's prior switches weights off, as ``priors.SpikeSlab`` does.
        """
        self._known(view)
        probability = self.posterior.view(view).relevance.inclusion
        if probability is None:
            prior = type(self.declaration.weights_of(view)).__name__
            raise SpecError(f"inclusion: the weight prior of view {view!r}, {prior}, switches no weight off")
        features = pd.Index(self.declaration.views[view].feature_names, name="feature")
        return pd.DataFrame(probability.cpu().numpy(), index=features).rename_axis(columns="factor")

    def transform(self, given: Mapping[str, Any]) -> Factors:
        """Posterior of the shared factors of new rows: ``mean`` (rows, K), ``sd``, ``covariance``, ``to_frame()``."""
        return predictive.transform(self.guide, given)

    def predict(
        self, view: str, given: Mapping[str, Any], n_draws: int = 0, seed: int | None = None
    ) -> Prediction:
        """Predictive distribution of a view given any subset of views.

        Returns ``mean`` and ``sd`` (rows, *event), ``draws`` (n_draws, rows, *event) if asked for, and
        ``to_frame()`` with the rows' and columns' names. For a
        binary view the mean is a probability, the logistic integrated over all uncertainty; behind a decoder
        the moments are of the decoded image, by Monte Carlo.
        """
        self._known(view)
        require_count("predict", least=0, n_draws=n_draws)
        return predictive.predict(self.guide, view, given, n_draws, seed)

    def log_density(
        self,
        view: str,
        data: Any,
        given: Mapping[str, Any] | None = None,
        *,
        n_draws: int = density.DRAWS,
        seed: int | None = None,
    ) -> np.ndarray:
        """Log predictive density of each entry of a view's data given any subset of views, in nats.

        data: (rows, *event), in the user's units. given: as in :meth:`predict`, the same rows; nothing is known
        when left out. To score entries hidden from the fit, give the data with NaN in their place. Returns
        (rows, *event), or (rows, D) of embeddings with variances, NaN where an entry is missing; pixels count as in
        [0, 1].
        n_draws: of the latents behind a decoder, whose average of densities has no formula. Entries are scored one
        by one: their sum is no joint density. Raises :class:`DataError` where the rows differ.
        """
        self._known(view)
        require_count("log_density", n_draws=n_draws)
        return density.log_density(self.guide, view, data, given, n_draws, seed)

    @overload
    def generate(
        self,
        view: str,
        given: Mapping[str, Any] | None = None,
        n: int = 1,
        seed: int | None = None,
        expected: bool = False,
    ) -> np.ndarray: ...

    @overload
    def generate(
        self,
        view: list[str] | tuple[str, ...],
        given: Mapping[str, Any] | None = None,
        n: int = 1,
        seed: int | None = None,
        expected: bool = False,
    ) -> dict[str, np.ndarray]: ...

    def generate(
        self,
        view: str | Sequence[str],
        given: Mapping[str, Any] | None = None,
        n: int = 1,
        seed: int | None = None,
        expected: bool = False,
    ) -> np.ndarray | dict[str, np.ndarray]:
        """Draws of a view, (n, rows, *event), latents sampled; of one row from the prior if nothing is given.

        With a list of views, a mapping of names to draws that share their factors. Images come as the
        decoder's mean; with ``expected`` so do binary views, as probabilities given the drawn latents.
        """
        require_count("generate", n=n)
        require_flag("generate", expected=expected)
        if not isinstance(view, str | list | tuple) or not view:
            raise SpecError(f"generate: view is {shown(view)}, expected a view's name or a list of names")
        names = [view] if isinstance(view, str) else list(view)
        for name in names:
            self._known(name)
        drawn = predictive.generate(self.guide, names, given, n, seed, expected)
        return drawn[view] if isinstance(view, str) else drawn

    def reconstruct(self, view: str, data: Any, *, groups: Any = None) -> np.ndarray:
        """Data decoded from the posterior mean of their latents, (rows, *event).

        Views without a network are their own latents, so theirs pass through the factors instead. groups: here and
        below, the rows' labels under a grouped prior, where they are known.
        """
        self._known(view)
        given = latent_moves.with_groups(self.guide, {view: data}, groups)
        if not self.guide.inference(view).trained_by_gradient:
            return self.predict(view, given).mean
        return latent_moves.decode(self.guide, view, latent_moves.latent_means(self.guide, given))

    def edit(
        self, view: str, data: Any, attributes: Mapping[str, float], *, groups: Any = None
    ) -> np.ndarray:
        """Rows with attributes of another view set to given values and everything private kept.

        For example ``fit.edit("face", images, {"smiling": 1})``; returns (rows, *event). Attributes are columns of
        one other view, or ``{"class": 1}`` of a categorical one. Raises :class:`DataError` for any others.
        """
        self._known(view)
        return edits.edit(self.guide, view, data, attributes, groups)

    def interpolate(
        self,
        view: str,
        start: Any,
        end: Any,
        steps: int = 8,
        space: str = "private",
        *,
        groups: Any = None,
        end_groups: Any = None,
    ) -> np.ndarray:
        """Rows on the way from start to end, (steps, rows, *event).

        space: ``"private"`` moves the view's latents, ``"shared"`` only what the shared factors say of them.
        end_groups: the labels at the end, the same as at the start when None.
        """
        self._known(view)
        require_count("interpolate", steps=steps)
        return latent_moves.interpolate(self.guide, view, start, end, steps, space, groups, end_groups)

    def traverse(
        self,
        view: str,
        data: Any = None,
        *,
        dimension: int | None = None,
        factor: int | None = None,
        steps: int = 9,
        span: float = 3.0,
        groups: Any = None,
    ) -> np.ndarray:
        """Rows as a latent dimension or a shared factor moves by ±span standard deviations, (steps, rows, *event).

        Starts from the rows of ``data``, or from the centre of the prior, of each group in ``groups``. The standard
        deviations are those that factors have in the row's group.
        """
        self._known(view)
        require_count("traverse", steps=steps)
        require_number("traverse", span=span)
        return latent_moves.traverse(self.guide, view, data, dimension, factor, steps, span, groups)

    def impute(self, data: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The data with missing rows and entries filled by their predictive mean, (rows, *event) by view.

        Given all that is observed of a row: a missing entry of a table profits from the row's other entries. A
        missing class becomes the most probable one; embeddings with variances get the predictive variance too.
        """
        return predictive.impute(self.guide, prepare(self.declaration, data))

    def pretrained(self, view: str) -> Pretrained:
        """A copy of the networks of an encoder view, to plug into another model by ``fv.fit(pretrained=...)``."""
        self._known(view)
        return Pretrained.taken(self.guide, view)

    def save(self, path: str | os.PathLike) -> None:
        """Write the fit to one file: safetensors with JSON in its header, no pickle."""
        files.write(path, self.guide, self.history, self.ended_by)

    def _in_units(self, view: str, weights: Tensor) -> np.ndarray:
        unit = self.model.emission(view).unit
        return (weights if unit is None else weights * unit[:, None]).cpu().numpy()

    def _known(self, view: str) -> None:
        require_view(self.declaration, view)

    def __repr__(self) -> str:
        views = ", ".join(f"{name}: {active.sum()} factors" for name, active in self.active.iterrows())
        return f"Fit({self._passes}; {views}{self._isolated})"

    @property
    def _isolated(self) -> str:
        """In words, which views share no factor with another: what training alone would not show."""
        active = self.active
        shares = active.loc[:, active.sum() > 1].any(axis=1)
        names = ", ".join(repr(name) for name in shares.index[~shares])
        return f"; no factor links {names} to another view" if names and len(active) > 1 else ""

    @property
    def _passes(self) -> str:
        bound = f"bound {self.elbo:,.1f} nats" if len(self.history) else "no bound"
        return f"{bound} after {len(self.history)} passes, ended by {self.ended_by}"

    def _repr_html_(self) -> str:
        active = self.active
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{type(self.declaration.views[name]).__name__}</td>"
            f"<td>{self.declaration.views[name].latent_dim}</td><td>{int(active.loc[name].sum())}</td></tr>"
            for name in active.index
        )
        return (
            f"<b>FA-VAE fit</b>: {self._passes}; {int(active.any().sum())} of {active.shape[1]} factors active"
            f"{escape(self._isolated)}"
            "<table><tr><th>view</th><th>kind</th><th>latent dimensions</th><th>active factors</th></tr>"
            f"{rows}</table>"
        )


def load(path: str | os.PathLike, device: str | torch.device = "cpu") -> Fit:
    """Read a saved fit; raises :class:`LoadError` for a file that is foreign, truncated or tampered with."""
    return Fit(*files.read(path, device_for(device)))
