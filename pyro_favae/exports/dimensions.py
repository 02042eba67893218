"""Names of the dimensions of draws, and what stands along them."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from pyro_favae.data import Dataset
from pyro_favae.exports.draws import COMPONENT
from pyro_favae.models.views import View
from pyro_favae.results import Fit
from pyro_favae.results.alignment import has_factors

if TYPE_CHECKING:
    import xarray as xr

SAMPLED = ("posterior", "posterior_predictive", "log_likelihood")  # groups whose variables are drawn


class Dimensions:
    """Of every site of a fit, and of the rows of a data set if there is one."""

    def __init__(self, fit: Fit, dataset: Dataset | None, chains: int = 1) -> None:
        """chains: one after the other in what is drawn."""
        model, self.chains = fit.declaration, chains
        self.names: dict[str, list[str]] = {
            "component_means": ["component", "factor"],
            "proportions": ["component"],
            "group_means": ["group", "factor"],
            "group_precisions": ["group", "factor"],
            "factors": ["row", "factor"],
            COMPONENT: ["row"],
        }
        self.coords: dict[str, np.ndarray] = {
            "factor": np.arange(model.n_factors),
            "component": np.arange(model.factors.n_components),
        }
        if model.factors.column is not None:
            self.coords["group"] = np.asarray(model.factors.groups)
        self.views = model.views
        for name, view in model.views.items():
            self.coords[f"{name}.feature"] = np.asarray(view.feature_names)
            self._name_data(name, view)
        if dataset is not None:
            self.rows = {"data": np.logical_or.reduce([v.present.numpy() for v in dataset.views.values()])}
            self.rows |= {f"{name}.data": v.present.numpy() for name, v in dataset.views.items()}
            self.coords["row"] = dataset.index.to_numpy()

    def present(self, variable: str) -> np.ndarray:
        """Which rows have what a variable of the log likelihood is of, (N,) booleans."""
        return self.rows[variable]

    def dataset(self, group: str, values: Mapping[str, np.ndarray]) -> "xr.Dataset":
        """A group's variables with their dimensions; those of drawn ones begin with chain and draw."""
        import xarray as xr  # here, because it takes a second

        sample = ["chain", "draw"] if group in SAMPLED else []
        arrays, used = {}, set(sample)
        for name, value in values.items():
            value = value.reshape(self.chains, -1, *value.shape[1:]) if sample else value
            dims = [*sample, *self._of(group, name, value.shape[len(sample) :])]
            arrays[name] = (dims, value)
            used |= set(dims)
        coords = {name: values for name, values in self._coords(group).items() if name in used}
        if sample:
            coords |= {
                "chain": np.arange(self.chains),
                "draw": np.arange(next(iter(arrays.values()))[1].shape[1]),
            }
        return xr.Dataset(arrays, coords)

    def _coords(self, group: str) -> dict[str, np.ndarray]:
        if group != "log_likelihood":
            return self.coords
        rows = {_row_dimension(name): self.coords["row"][mask] for name, mask in self.rows.items()}
        return self.coords | rows

    def _of(self, group: str, name: str, shape: tuple[int, ...]) -> list[str]:
        if group == "log_likelihood":
            return [_row_dimension(name)]
        if name in self.names:
            return self.names[name]
        view = next((view for view in self.views if name.startswith(f"{view}.")), None)
        if name == f"{view}.latents":
            return ["row", f"{view}.feature"]
        if view is None or prod(shape) == 1 and not shape:
            return [f"{name}.axis_{i}" for i in range(len(shape))]
        return _of_weights(view, name.removeprefix(f"{view}."), shape)

    def _name_data(self, name: str, view: View) -> None:
        """A table's columns have names; other data have axes."""
        dims, shape = [f"{name}.axis_{i}" for i in range(len(view.event_shape))], view.event_shape
        if shape == (len(view.column_names),):
            dims = [f"{name}.feature" if view.column_names == view.feature_names else f"{name}.column"]
            self.coords[dims[0]] = np.asarray(view.column_names)
        self.names[f"{name}.data"] = ["row", *dims]


def _of_weights(view: str, site: str, shape: tuple[int, ...]) -> list[str]:
    """A view's global site is of features and factors, of features, or of factors."""
    if len(shape) == 2:
        return [f"{view}.feature", "factor"]
    return ["factor" if has_factors(site) else f"{view}.feature"]


def _row_dimension(variable: str) -> str:
    """The rows that have what a variable is of: ``data.row`` for whole rows, ``<view>.row`` for a view."""
    return "data.row" if variable == "data" else f"{variable.removesuffix('.data')}.row"
