"""A fit as AnnData and MuData, where these are installed."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError

anndata = pytest.importorskip("anndata")
GENES = ("tp53", "brca1", "myc")


@pytest.fixture(scope="module")
def cells():
    rng = np.random.default_rng(0)
    g = rng.normal(size=(60, 2))
    names = [f"cell {i}" for i in range(60)]
    genes = pd.DataFrame(5 + g @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(60, 3)), names, GENES)
    genes.iloc[3, 1] = np.nan
    peaks = pd.DataFrame((rng.random((60, 4)) < 0.5).astype(float), names).iloc[10:]
    kind = pd.Series((g[:, 0] > 0).astype(float), names)
    data = {"genes": genes, "peaks": peaks, "kind": kind}
    views = {"genes": fv.views.Real(GENES), "peaks": fv.views.Bernoulli(4), "kind": fv.views.Categorical(2)}
    return fv.fit(fv.FAVAE(views, 3), data, epochs=5, seed=0, progress=False, device="cpu"), data


@pytest.fixture
def quiet():
    """MuData announces its own next version, AnnData pandas'."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_one_view_with_factors_and_weights(cells, tmp_path, quiet):
    fit, data = cells
    fv.to_anndata(fit, "genes", data).write_h5ad(tmp_path / "genes.h5ad")
    table = anndata.read_h5ad(tmp_path / "genes.h5ad")
    assert list(table.obs_names) == list(data["genes"].index)
    assert list(table.var_names) == list(GENES)
    np.testing.assert_array_equal(table.X, data["genes"])
    factors = fit.transform(data)
    np.testing.assert_array_equal(table.obsm["X_favae"], factors.mean)
    np.testing.assert_array_equal(table.obsm["X_favae_sd"], factors.sd)
    np.testing.assert_array_equal(table.varm["favae"], fit.weights("genes"))
    np.testing.assert_array_equal(table.varm["favae_sd"], fit.weight_sd("genes"))
    assert fv.from_json(table.uns["favae"]["declaration"]) == fit.declaration
    assert table.uns["favae"]["elbo"] == fit.elbo
    np.testing.assert_array_equal(table.uns["favae"]["active"], fit.active)
    assert list(table.uns["favae"]["views"]) == list(fit.declaration.views)


def test_what_is_written_is_data_again(cells, quiet):
    fit, data = cells
    table = fv.to_anndata(fit, "genes", {"genes": data["genes"]})
    np.testing.assert_array_equal(fit.transform({"genes": table}).mean, table.obsm["X_favae"])


def test_rows_of_every_view_in_one(cells, tmp_path, quiet):
    mudata = pytest.importorskip("mudata")
    fit, data = cells
    with anndata.settings.override(allow_write_nullable_strings=True):  # pandas 3 names columns by such
        fv.to_mudata(fit, data).write(tmp_path / "cells.h5mu")
    whole = mudata.read(tmp_path / "cells.h5mu")
    assert set(whole.mod) == {"genes", "peaks"}
    factors = fit.transform(data)
    found = pd.DataFrame(whole.obsm["X_favae"], whole.obs_names).loc[factors.index]
    np.testing.assert_array_equal(found, factors.mean)
    peaks = whole["peaks"]
    assert np.isnan(peaks.X[:10]).all()
    assert not np.isnan(peaks.X[10:]).any()
    np.testing.assert_array_equal(whole["genes"].varm["favae"], fit.weights("genes"))
    np.testing.assert_array_equal(whole.uns["favae"]["weights"]["kind"], fit.weights("kind"))


def test_views_that_are_no_tables(cells):
    fit, data = cells
    with pytest.raises(SpecError, match="'kind' is a Categorical"):
        fv.to_anndata(fit, "kind", data)
    with pytest.raises(DataError, match="'genes' expected"):
        fv.to_anndata(fit, "genes", {"peaks": data["peaks"]})
    with pytest.raises(SpecError, match="none of the views"):
        fv.to_mudata(fit, {"kind": data["kind"]})


def test_the_extra_is_named_where_it_is_missing(cells, monkeypatch):
    fit, data = cells
    monkeypatch.setitem(sys.modules, "anndata", None)
    with pytest.raises(ImportError, match=r"pyro-favae\[omics\]"):
        fv.to_anndata(fit, "genes", data)
