"""A fit beside its data, as AnnData and MuData."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

from pyro_favae.data import Dataset, given_views, require_view
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.declaration import to_json
from pyro_favae.results import Factors, Fit

KEY = "favae"


def to_anndata(fit: Fit, view: str, data: Mapping[str, Any]) -> Any:
    """One view's data with what was learnt, as an ``anndata.AnnData``.

    data: the view and any others, as in ``fit.transform``. X: the view's data, dense, NaN where missing. obsm:
    ``X_favae`` the factors' posterior means given all of data, ``X_favae_sd`` their standard deviations (rows, K).
    varm: ``favae`` and ``favae_sd``, the same of the weights (columns, K), in the user's units. uns ``favae``: the
    declaration as JSON, the bound in nats, and ``active``, which of ``views`` use which factors, (views, K).
    Raises :class:`SpecError` for a view whose columns are not its features, such as an image, and ImportError without
    the package.
    """
    anndata = _package("anndata")
    require_view(fit.declaration, view)
    if not _is_table(fit, view):
        kind = type(fit.declaration.views[view]).__name__
        raise SpecError(
            f"to_anndata: view {view!r} is a {kind}, whose features are not the columns of its data; its weights are "
            "fit.weight_table(...)"
        )
    if view not in data:
        raise DataError(f"to_anndata: data of view {view!r} expected among those given, {list(data)}")
    dataset, factors = given_views(fit.declaration, data), fit.transform(data)
    table = _table(anndata, fit, view, dataset)
    table.obsm.update(_of_rows(factors))
    table.uns[KEY] = _settings(fit)
    return table


def to_mudata(fit: Fit, data: Mapping[str, Any]) -> Any:
    """All tables among the given views with what was learnt, as a ``mudata.MuData``.

    A modality for each view of numbers or binary attributes, all rows in each, with X and varm as in
    :func:`to_anndata`; obsm and uns as there, for the whole. Weights of other views, such as the latents of an
    image, are in uns ``favae`` under ``weights``, by view. Raises as :func:`to_anndata` does.
    """
    anndata, mudata = _package("anndata"), _package("mudata")
    dataset, factors = given_views(fit.declaration, data), fit.transform(data)
    tables = [name for name in dataset.views if _is_table(fit, name)]
    if not tables:
        raise SpecError(f"to_mudata: none of the views {list(dataset.views)} is a table")
    with mudata.set_options(pull_on_update=False):
        whole = mudata.MuData({name: _table(anndata, fit, name, dataset) for name in tables})
    whole.obsm.update(_of_rows(factors))
    others = {name: fit.weights(name) for name in fit.declaration.views if name not in tables}
    whole.uns[KEY] = _settings(fit) | {"weights": others}
    return whole


def _package(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed; it comes with the extra: pip install 'pyro-favae[omics]'"
        ) from error


def _is_table(fit: Fit, name: str) -> bool:
    view = fit.declaration.views[name]
    return view.event_shape == (view.latent_dim,) and not fit.guide.inference(name).trained_by_gradient


def _table(anndata: ModuleType, fit: Fit, name: str, dataset: Dataset) -> Any:
    values, observed = dataset.views[name].batch(slice(None), torch.device("cpu"))
    rows, columns = _named(dataset.index), _named(fit.declaration.views[name].feature_names)
    table = anndata.AnnData(np.where(observed.numpy(), values.numpy(), np.nan), obs=rows, var=columns)
    table.varm[KEY], table.varm[f"{KEY}_sd"] = fit.weights(name), fit.weight_sd(name)
    return table


def _named(names: Iterable) -> pd.DataFrame:
    """Names as strings in the type that every version of AnnData writes to files, which pandas 3 does not choose."""
    return pd.DataFrame(index=pd.Index([str(name) for name in names], dtype=object))


def _of_rows(factors: Factors) -> dict[str, np.ndarray]:
    return {f"X_{KEY}": factors.mean, f"X_{KEY}_sd": factors.sd}


def _settings(fit: Fit) -> dict[str, Any]:
    """In forms that an h5ad file holds."""
    settings = {"declaration": to_json(fit.declaration), "active": fit.active.to_numpy()}
    settings["views"] = np.array(fit.posterior.names, dtype=object)
    return settings | ({"elbo": fit.elbo} if len(fit.history) else {})
