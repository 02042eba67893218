"""AnnData and MuData: aligned by the names of their rows, sparse ones not made dense."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

import pyro_favae as fv
from pyro_favae.data import given_views, prepare
from pyro_favae.data.source import ReindexedSource
from pyro_favae.data.sparse import SparseSource
from pyro_favae.errors import DataError
from pyro_favae.models.views import Real

anndata = pytest.importorskip("anndata", reason="needs the extra 'omics'")
mudata = pytest.importorskip("mudata", reason="needs the extra 'omics'")

CPU = torch.device("cpu")
MODEL = fv.FAVAE({"rna": Real(["g1", "g2", "g3"]), "protein": Real(2)}, 2)
KINDS = {"dense": np.asarray, "csr": sp.csr_matrix, "csc": sp.csc_array, "single precision": np.float32}


def table(rows, columns=("g1", "g2", "g3"), kind=np.asarray, seed=0):
    values = np.random.default_rng(seed).integers(0, 4, size=(len(rows), len(columns))).astype(float)
    return anndata.AnnData(
        kind(values), obs=pd.DataFrame(index=list(rows)), var=pd.DataFrame(index=list(columns))
    )


def together(axis=0, **tables):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MuData announces its own next version
        return mudata.MuData(tables, axis=axis)


def as_frame(table) -> pd.DataFrame:
    values = table.X.toarray() if sp.issparse(table.X) else table.X
    return pd.DataFrame(values, table.obs_names, table.var_names)


def seen(dataset, name: str) -> pd.DataFrame:
    """A view's rows by their names, NaN where they are missing."""
    batch = dataset.batch(slice(None), CPU)
    values = np.where(batch.observed[name], batch.data[name], np.nan)
    return pd.DataFrame(values, dataset.index)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_table_is_aligned_by_names_as_a_frame_is(kind):
    rna = table("abcd", kind=kind)
    protein = pd.DataFrame(np.arange(6.0).reshape(3, 2), index=list("cxa"))
    dataset = prepare(MODEL, {"rna": rna, "protein": protein})
    framed = prepare(MODEL, {"rna": as_frame(rna), "protein": protein})
    assert list(dataset.index) == list(framed.index) == list("abcdx")
    for name in MODEL.views:
        pd.testing.assert_frame_equal(seen(dataset, name), seen(framed, name))


@pytest.mark.parametrize("columns", [("g3", "g1", "g2"), ("g0", "g1", "g3", "g2", "g4"), ("g1", "g2", "g3")])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_declared_columns_are_picked(kind, columns):
    rna = table("abcd", columns, kind)
    dataset = given_views(MODEL, {"rna": rna})
    np.testing.assert_array_equal(seen(dataset, "rna"), as_frame(rna)[["g1", "g2", "g3"]])


def test_columns_of_other_names_are_taken_in_their_order():
    rna = table("abcd", ("p", "q", "r"))
    np.testing.assert_array_equal(seen(given_views(MODEL, {"rna": rna}), "rna"), rna.X)


def test_a_sparse_matrix_stays_as_it_is():
    rna = table("abc", kind=sp.csr_matrix)
    dataset = prepare(MODEL, {"rna": rna, "protein": table("cxb", ("p", "q"))})
    source = dataset.views["rna"].source
    assert isinstance(source, ReindexedSource)
    assert isinstance(source.source, SparseSource)
    assert source.source.matrix is rna.X
    alone = given_views(MODEL, {"rna": rna}).views["rna"].source
    assert isinstance(alone, SparseSource)


def test_missing_entries_of_both():
    rna = table("abc", kind=lambda v: sp.csr_matrix(np.where(np.eye(3), np.nan, v)))
    protein = table("cd", ("p", "q"))
    protein.X[1, 0] = np.nan
    dataset = prepare(MODEL, {"rna": rna, "protein": protein})
    batch = dataset.batch(torch.tensor([3, 2, 0]), CPU)
    assert batch.observed["rna"].tolist() == [[False] * 3, [True, True, False], [False, True, True]]
    assert batch.observed["protein"].tolist() == [[False, True], [True, True], [False, False]]


def test_an_array_beside_a_table_is_by_position():
    dataset = prepare(MODEL, {"rna": table("cab"), "protein": np.arange(6.0).reshape(3, 2)})
    assert list(dataset.index) == list("cab")
    assert seen(dataset, "protein").loc["a"].tolist() == [2, 3]


def test_modalities_are_views():
    data = together(rna=table("abcd"), protein=table("xcb", ("p", "q")), other=table("az", ("o",)))
    dataset = prepare(MODEL, data)
    assert list(dataset.index) == list(data.obs_names)
    expected = given_views(MODEL, {name: as_frame(data[name]) for name in MODEL.views})
    for name in MODEL.views:
        pd.testing.assert_frame_equal(
            seen(dataset, name).dropna().sort_index(), seen(expected, name).dropna().sort_index()
        )
    assert not dataset.views["rna"].present[data.obs_names.get_loc("z")]


def test_results_are_in_the_order_of_the_rows_names():
    rng = np.random.default_rng(0)
    names = rng.permutation([f"cell{i}" for i in range(40)])
    data = together(rna=table(names[:30], kind=sp.csr_matrix), protein=table(names[10:], ("p", "q"), seed=1))
    fit = fv.fit(MODEL, data, epochs=5, seed=0, progress=False, device="cpu")
    factors = fit.transform(data).mean
    assert factors.shape == (data.n_obs, 2)
    for row in ("cell3", "cell17", "cell30"):
        own = {name: as_frame(data[name]).loc[[row]] for name in MODEL.views if row in data[name].obs_names}
        np.testing.assert_allclose(
            factors[data.obs_names.get_loc(row)], fit.transform(own).mean[0], rtol=1e-10
        )
    framed = {name: as_frame(data[name]) for name in MODEL.views}
    assert fv.fit(MODEL, framed, epochs=5, seed=0, progress=False, device="cpu").elbo == pytest.approx(
        fit.elbo, rel=1e-9
    )


def test_some_modalities_are_enough_to_predict_from():
    data = together(rna=table("abc"), other=table("ab", ("o",)))
    assert list(given_views(MODEL, data).views) == ["rna"]


def test_a_table_left_in_its_file(tmp_path):
    with anndata.settings.override(allow_write_nullable_strings=True):  # pandas 3 names rows by such
        table("ab").write_h5ad(tmp_path / "table.h5ad")
    kept = anndata.read_h5ad(tmp_path / "table.h5ad", backed="r")
    with pytest.raises(DataError, match=r"'rna' is an AnnData that is backed by a file.*to_memory\(\)"):
        given_views(MODEL, {"rna": kept})
    given_views(MODEL, {"rna": kept.to_memory()})


def repeating(rows: str, *columns: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # AnnData warns of it too
        return table(rows, columns)


BAD = {
    "repeated rows": (
        lambda: {"rna": repeating("aba", "g1", "g2", "g3")},
        "'rna': the index repeats 'a', expected one row",
    ),
    "repeated columns": (
        lambda: {"rna": repeating("ab", "g1", "g2", "g3", "g1")},
        "'rna': var_names repeat 'g1'",
    ),
    "too few columns": (lambda: {"rna": table("ab", ("g1", "g2"))}, r"'rna' has shape \(2, 2\)"),
    "no matrix": (
        lambda: {"rna": anndata.AnnData(obs=pd.DataFrame(index=["a"]))},
        "'rna' is an AnnData without X",
    ),
    "infinite": (lambda: {"rna": table("a", kind=lambda v: v + np.inf)}, "'rna': 3 infinite"),
    "numbers for names beside it": (
        lambda: {"rna": table("01"), "protein": pd.DataFrame(np.zeros((2, 2)))},
        r"'protein' names its rows by integer \(0\).*astype\(str\)",
    ),
    "a table alone": (lambda: table("ab"), "data is a AnnData, expected a mapping"),
    "no view among the modalities": (
        lambda: together(atac=table("ab")),
        r"no modality of the MuData is a view: \['atac'\].*'rna'",
    ),
    "shared variables": (
        lambda: together(axis=1, rna=table("ab"), protein=table("cd")),
        r"shared variables \(axis=1\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(case):
    make, message = BAD[case]
    with pytest.raises(DataError, match=message):
        given_views(MODEL, make())


def test_a_view_without_a_modality():
    with pytest.raises(DataError, match="no data for view 'protein'; given: .*'rna'"):
        prepare(MODEL, together(rna=table("ab"), atac=table("ab")))
