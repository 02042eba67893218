"""Sparse matrices: the numbers of their dense copies, made dense a few rows at a time."""

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import pyro_favae as fv
from pyro_favae.data import given_views, prepare
from pyro_favae.data.prepare import SCAN_BYTES
from pyro_favae.data.source import TensorSource
from pyro_favae.data.sparse import SparseSource
from pyro_favae.errors import DataError
from pyro_favae.models.views import Bernoulli, Categorical, Image, Real

CPU = torch.device("cpu")
FORMATS = ["csr", "csc", "coo", "bsr", "dia", "dok", "lil"]
LAYOUTS = {
    "COO": torch.Tensor.to_sparse_coo,
    "CSR": torch.Tensor.to_sparse_csr,
    "CSC": torch.Tensor.to_sparse_csc,
    "BSR": lambda t: t.to_sparse_bsr((2, 1)),
    "rows alone": lambda t: t.to_sparse(1),
}


def table(rng, shape=(20, 3)) -> np.ndarray:
    return rng.normal(size=shape) * (rng.random(shape) < 0.3)


def dataset_of(view, values):
    return prepare(fv.FAVAE({"x": view}, 1), {"x": values})


def source_of(view, values):
    return dataset_of(view, values).views["x"].source


def tensor(values: np.ndarray, layout: str) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces that its compressed layouts are young
        return LAYOUTS[layout](torch.as_tensor(values))


REQUESTS = [slice(0, 3), slice(15, 30), slice(None), torch.tensor([7]), torch.tensor([11, 0, 5, 5, 19])]


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array], ids=["matrix", "array"])
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_takes_the_rows_of_its_dense_copy(rng, form, kind):
    values = table(rng)
    source, dense = source_of(Real(3), kind(values).asformat(form)), TensorSource(torch.as_tensor(values))
    assert isinstance(source, SparseSource)
    assert len(source) == 20
    for request in REQUESTS:
        torch.testing.assert_close(source.take(request), dense.take(request), rtol=0, atol=0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.uint8, bool])
def test_every_layout_of_a_tensor(rng, layout, dtype):
    values = (table(rng) * 10).clip(0).astype(dtype)
    source = source_of(Real(3), tensor(values, layout))
    assert isinstance(source, SparseSource)
    np.testing.assert_array_equal(source.take(torch.tensor([4, 0, 19])), values[[4, 0, 19]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_tensors(dtype):
    values = torch.tensor([[0.5, 0], [0, 2]], dtype=dtype)
    assert source_of(Real(2), values.to_sparse()).take(slice(None)).tolist() == values.tolist()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (bool, torch.bool),
        (np.uint8, torch.uint8),
        (np.float32, torch.float32),
        (np.float64, torch.float64),
        (np.int8, torch.float64),
        (np.uint16, torch.float64),
        (np.int64, torch.float64),
        (np.uint64, torch.float64),
        (np.longdouble, torch.float64),
    ],
)
def test_types_are_those_of_arrays(dtype, expected):
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    taken = source_of(Real(2), sp.csr_array(values)).take(slice(0, 2))
    assert taken.dtype == expected
    assert taken.tolist() == values.tolist()


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64, np.uint32, np.uint64])
def test_the_largest_integers_do_not_wrap(dtype):
    ends = np.array([[np.iinfo(dtype).min, np.iinfo(dtype).max]], dtype=dtype)
    taken = source_of(Real(2), sp.csr_array(ends)).take(slice(None))
    assert taken.tolist() == [[float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)]]


def test_a_stored_nan_is_missing_and_what_is_not_stored_is_zero():
    values = np.zeros((4, 3))
    values[1, 2] = np.nan
    values[3] = np.nan
    view = dataset_of(Real(3), sp.coo_array(values)).views["x"]
    assert view.partial
    assert view.present.tolist() == [True, True, True, False]
    seen, observed = view.batch(slice(None), CPU)
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    assert (seen == 0).all()


def test_a_row_of_nothing_is_present():
    assert dataset_of(Real(3), sp.csr_array((5, 3))).views["x"].present.all()


def test_duplicated_entries_add_up():
    entries = sp.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(2, 3))
    assert source_of(Real(3), entries).take(slice(None)).tolist() == [[0, 3, 0], [0, 0, 0]]


def test_the_users_matrix_is_neither_changed_nor_copied(rng):
    matrix = sp.csr_array(([1.0, 2.0], [2, 0], [0, 2, 2]), shape=(2, 3))
    source = source_of(Real(3), matrix)
    assert source.matrix is matrix
    assert matrix.indices.tolist() == [2, 0]


def test_a_column_of_codes():
    codes = sp.csc_array(np.array([[0], [2], [1]]))
    assert source_of(Categorical(3), codes).take(slice(None)).tolist() == [0, 2, 1]
    assert source_of(Real(1), codes).take(torch.tensor([1])).tolist() == [[2]]


def test_what_one_conditions_on_may_be_sparse():
    model = fv.FAVAE({"x": Real(3)}, 1)
    row = np.array([0.0, 2.0, 0.0])
    for values in (sp.csr_array(row[None]), sp.coo_array(row), torch.as_tensor(row).to_sparse()):
        dataset = given_views(model, {"x": values})
        assert dataset.batch(slice(None), CPU).data["x"].tolist() == [row.tolist()]


def stored(dtype) -> sp.csr_array:
    """The identity, of a type that SciPy holds but does not support."""
    return sp.csr_array((np.ones(2, dtype), [0, 1], [0, 1, 2]), shape=(2, 2))


BAD = {
    "columns": (Real(3), sp.csr_array((5, 2)), r"shape \(5, 2\), expected \(rows, 3\)"),
    "no rows": (Real(3), sp.csr_array((0, 3)), "0 rows"),
    "a vector": (Real(3), sp.coo_array(np.zeros(5)), r"sparse of shape \(5,\)"),
    "images": (Image((1, 4, 4), 2), sp.csr_array((5, 16)), r"expected \(rows, 1, 4, 4\)"),
    "three dimensions": (Real(3), torch.zeros(2, 3, 4).to_sparse(), r"sparse of shape \(2, 3, 4\)"),
    "complex": (Real(3), sp.csr_array((5, 3), dtype=complex), "complex"),
    "complex tensor": (Real(3), torch.zeros(5, 3, dtype=torch.cfloat).to_sparse(), "complex"),
    "half precision": (Real(2), stored(np.float16), "float16, expected numbers"),
    "objects": (Real(2), stored(object), "object, expected numbers"),
    "infinite": (Real(3), sp.csr_array([[0, np.inf, 0]]), "1 infinite values in 1 rows"),
    "no labels": (Bernoulli(3), sp.csr_array([[0, 1, 3]]), "1 values are neither 0 nor 1"),
    "all missing": (Real(2), sp.csr_array(np.full((3, 2), np.nan)), "missing in all 3 rows"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_matrices(case):
    view, values, message = BAD[case]
    with pytest.raises(DataError, match=message) as caught:
        dataset_of(view, values)
    assert "'x'" in str(caught.value)


def test_other_numbers_of_rows_than_the_other_views():
    model = fv.FAVAE({"x": Real(3), "y": Real(1)}, 1)
    with pytest.raises(DataError, match="'x' has 5 rows, expected 6"):
        prepare(model, {"x": sp.csr_array((5, 3)), "y": np.zeros(6)})


def test_a_matrix_of_gigabytes_is_never_dense():
    """4 GB, of which a chunk is dense at a time while it is checked, and a batch while it is used."""
    n, columns = 100_000, 5_000
    matrix = sp.random_array((n, columns), density=1e-4, format="csr", rng=np.random.default_rng(0))
    assert n * columns * 8 == 4e9
    tracemalloc.start()
    try:
        dataset = dataset_of(Real(columns), matrix)
        dataset.batch(torch.arange(0, n, 1000), CPU)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert dataset.views["x"].present.all()
    assert peak < 2 * SCAN_BYTES


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "entries missing"])
@pytest.mark.parametrize("view", [Real(6, standardise="feature"), Bernoulli(6)], ids=["real", "binary"])
def test_a_fit_is_that_of_the_dense_copy(rng, view, missing):
    factors = rng.normal(size=(60, 2))
    values = (factors @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(60, 6))) * (
        rng.random((60, 6)) < 0.5
    )
    values = (values > 0).astype(float) if view.binary else values
    if missing:
        values[rng.random(values.shape) < 0.2] = np.nan
        values[7] = np.nan
    model = fv.FAVAE({"x": view, "y": Real(3)}, 3)
    other = factors @ rng.normal(size=(2, 3))

    def fitted(x):
        return fv.fit(model, {"x": x, "y": other}, epochs=10, seed=0, progress=False, device="cpu")

    dense, sparse = fitted(values), fitted(sp.csc_array(values))
    assert sparse.elbo == dense.elbo
    np.testing.assert_array_equal(sparse.weights("x"), dense.weights("x"))
    new = sp.csr_array(values[:5])
    np.testing.assert_array_equal(
        sparse.predict("y", {"x": new}).mean, dense.predict("y", {"x": values[:5]}).mean
    )
    np.testing.assert_array_equal(sparse.transform({"x": new}).mean, dense.transform({"x": values[:5]}).mean)
