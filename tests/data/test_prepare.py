"""Data in: alignment, missing rows, and what each bad input is told."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from pyro_favae.data import given_views, prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Image, Real

MODEL = FAVAE(
    {
        "table": Real(["a", "b", "c"]),
        "labels": Bernoulli(2),
        "image": Image((1, 4, 4), latent_dim=2),
        "species": Categorical(3),
        "embedding": Frozen(2, variances=True),
    },
    n_factors=2,
)
N = 6
CPU = torch.device("cpu")
EVERY = slice(0, N)


def good(**changes) -> dict:
    rng = np.random.default_rng(0)
    data = {
        "table": rng.normal(size=(N, 3)),
        "labels": rng.integers(0, 2, size=(N, 2)),
        "image": rng.random(size=(N, 1, 4, 4)).astype(np.float32),
        "species": rng.integers(0, 3, size=N),
        "embedding": rng.random(size=(N, 4)) + 0.1,
    }
    return data | changes


def rows(dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A view's values and what is observed of them."""
    batch = dataset.batch(slice(0, len(dataset)), CPU)
    return batch.data[name].numpy(), batch.observed[name].numpy()


def having(array: np.ndarray, place, value) -> np.ndarray:
    array = array.astype(np.float64)
    array[place] = value
    return array


def frame(index, columns=("a", "b", "c")) -> pd.DataFrame:
    values = np.arange(len(index) * len(columns), dtype=float).reshape(len(index), -1)
    return pd.DataFrame(values, index=index, columns=list(columns))


BAD = {
    "wrong number of features": ({"table": np.zeros((N, 4))}, ["'table'", "(6, 4)", "(rows, 3)"]),
    "one dimension": ({"table": np.zeros(N)}, ["'table'", "(6,)", "(rows, 3)"]),
    "channels last": (
        {"image": np.zeros((N, 4, 4, 1))},
        ["'image'", "(6, 4, 4, 1)", "(rows, 1, 4, 4)", "channels first"],
    ),
    "too few rows": ({"labels": np.zeros((N - 1, 2))}, ["'labels'", "5 rows", "6"]),
    "not binary": ({"labels": np.full((N, 2), 3)}, ["'labels'", "12 values", "0 nor 1", "3"]),
    "plus and minus one": ({"labels": np.array([[1, -1]] * N)}, ["'labels'", "6 values", "0 nor 1", "-1"]),
    "images to 255": ({"image": np.full((N, 1, 4, 4), 255.0)}, ["'image'", "255", "[0, 1]", "uint8"]),
    "negative pixels": ({"image": np.full((N, 1, 4, 4), -0.5)}, ["'image'", "-0.5", "[0, 1]"]),
    "all missing": ({"table": np.full((N, 3), np.nan)}, ["'table'", "missing in all 6 rows", "at least one"]),
    "all None": ({"image": [None] * N}, ["'image'", "missing in all 6 rows", "at least one"]),
    "infinite": (
        {"table": having(np.zeros((N, 3)), (1, 2), np.inf)},
        ["'table'", "1 infinite", "1 rows", "finite"],
    ),
    "minus infinity": (
        {"table": having(np.zeros((N, 3)), (1, 2), -np.inf)},
        ["'table'", "infinite", "finite"],
    ),
    "infinite in a row with a missing entry": (
        {"table": having(having(np.zeros((N, 3)), (1, 2), np.inf), (1, 0), np.nan)},
        ["'table'", "1 infinite", "1 rows", "finite"],
    ),
    "not binary in a row with a missing entry": (
        {"labels": having(having(np.zeros((N, 2)), (1, 1), 0.5), (1, 0), np.nan)},
        ["'labels'", "1 values", "0 nor 1", "0.5"],
    ),
    "every entry missing": ({"labels": np.full((N, 2), np.nan)}, ["'labels'", "missing in all 6 rows"]),
    "NaN mean": (
        {"embedding": having(np.ones((N, 4)), (3, 0), np.nan)},
        ["'embedding'", "1 NaN", "wholly NaN", "cannot be missing"],
    ),
    "NaN variance": ({"embedding": having(np.ones((N, 4)), (3, 2), np.nan)}, ["'embedding'", "1 NaN"]),
    "means without variances": ({"embedding": np.ones((N, 2))}, ["'embedding'", "(6, 2)", "(rows, 4)"]),
    "no variance": ({"embedding": having(np.ones((N, 4)), (3, 2), 0)}, ["'embedding'", "variance is 0"]),
    "log variances": (
        {"embedding": having(np.ones((N, 4)), (3, 2), -1.5)},
        ["'embedding'", "variance is -1.5", "logs"],
    ),
    "a class too many": ({"species": np.arange(N)}, ["'species'", "3 values", "example 3", "0 to 2"]),
    "a negative class": ({"species": np.full(N, -1)}, ["'species'", "6 values", "example -1", "0 to 2"]),
    "half a class": ({"species": np.full(N, 0.5)}, ["'species'", "6 values", "example 0.5", "whole"]),
    "an infinite class": (
        {"species": having(np.zeros(N), 2, np.inf)},
        ["'species'", "1 infinite", "1 rows", "finite"],
    ),
    "one-hot classes": ({"species": np.eye(3)[[0, 1, 2, 0, 1, 2]]}, ["'species'", "(6, 3)", "(rows)"]),
    "names of classes": ({"species": np.array(["x"] * N)}, ["'species'", "numbers", "text"]),
    "NaN pixel": ({"image": having(np.zeros((N, 1, 4, 4)), (0, 0, 1, 1), np.nan)}, ["'image'", "1 NaN"]),
    "unknown view": ({"tabel": np.zeros((N, 3))}, ["'tabel'", "'table'", "'labels'"]),
    "text": ({"table": np.array([["x", "y", "z"]] * N)}, ["'table'", "numbers", "text"]),
    "ragged": ({"table": [[1.0, 2.0, 3.0]] * (N - 1) + [[1.0]]}, ["'table'", "numbers", "unequal"]),
    "complex": ({"table": np.zeros((N, 3), dtype=complex)}, ["'table'", "complex", "real"]),
    "a number": ({"table": 3.0}, ["'table'", "float", "array"]),
    "view left out": ({"table": None}, ["'table'", "declared"]),
    "text in a frame": (
        {"table": pd.DataFrame({"a": ["x"] * N, "b": 0.0, "c": 0.0})},
        ["'table'", "not numbers"],
    ),
    "repeated index": ({"table": frame([0, 1, 2, 3, 3, 5])}, ["'table'", "repeats", "3", "one row"]),
    "no rows": (
        {name: values[:0] for name, values in good().items()},
        ["0 rows", "at least one"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data(case):
    changes, words = BAD[case]
    with pytest.raises(DataError) as caught:
        prepare(MODEL, good(**changes))
    for word in words:
        assert word in str(caught.value), f"{word!r} is not in {caught.value}"


@pytest.mark.parametrize("data", [[1, 2], None, np.zeros((3, 2))], ids=["list", "None", "array"])
def test_data_must_be_a_mapping(data):
    with pytest.raises(DataError, match="mapping"):
        prepare(MODEL, data)


@pytest.mark.parametrize("n_factors", [0, -1, 2.0, True, "2"])
def test_a_number_of_factors_below_one(n_factors):
    with pytest.raises(SpecError, match=r"n_factors is .*at least 1"):
        FAVAE({"table": Real(3)}, n_factors=n_factors)


def test_good_data():
    dataset = prepare(MODEL, good())
    assert len(dataset) == N
    assert list(dataset.views) == list(MODEL.views)
    assert all(view.present.all() and not view.partial for view in dataset.views.values())
    batch = dataset.batch(torch.tensor([3, 1]), CPU)
    assert batch.n == 2
    assert batch.data["table"].dtype == torch.float64
    assert batch.data["labels"].dtype == torch.float64
    assert batch.data["image"].dtype == torch.float32
    assert all(observed.shape == (2, 1) for observed in batch.observed.values())
    torch.testing.assert_close(batch.data["table"], torch.as_tensor(good()["table"][[3, 1]]))
    assert batch.data["species"].tolist() == good()["species"][[3, 1]].tolist()


def test_the_order_of_views_is_the_declarations():
    data = dict(reversed(list(good().items())))
    assert list(prepare(MODEL, data).views) == list(MODEL.views)


def test_the_users_arrays_are_not_changed():
    data = good()
    data["table"][2] = np.nan
    data["table"][3, 1] = np.nan
    data["table"].flags.writeable = False
    before = data["table"].copy()
    rows(prepare(MODEL, data), "table")
    np.testing.assert_array_equal(data["table"], before)


@pytest.mark.parametrize(
    "make",
    [
        torch.as_tensor,
        np.ndarray.tolist,
        np.asfortranarray,
        lambda a: a[::-1][::-1],
        lambda a: a.astype(a.dtype.newbyteorder(">")),
        lambda a: a.astype(np.longdouble),
        lambda a: a.astype(object),
    ],
    ids=["tensor", "list", "Fortran order", "strided", "big-endian", "long double", "object"],
)
def test_kinds_of_array(make):
    data = good()
    dataset = prepare(MODEL, {name: make(values) for name, values in data.items()})
    for name, values in data.items():
        np.testing.assert_allclose(rows(dataset, name)[0], values)


def test_rows_of_nan_lack_the_view():
    data = good(species=having(good()["species"], 3, np.nan))
    data["table"][[1, 4]] = np.nan
    data["image"][2] = np.nan
    data["embedding"][5] = np.nan
    dataset = prepare(MODEL, data)
    lacking = {"table": [1, 4], "labels": [], "image": [2], "species": [3], "embedding": [5]}
    for name, missing in lacking.items():
        values, observed = rows(dataset, name)
        assert np.flatnonzero(~observed[:, 0]).tolist() == missing
        assert (values[missing] == 0).all()
        assert np.isfinite(values).all()
        assert not dataset.views[name].partial


@pytest.mark.parametrize("name", ["table", "labels"])
def test_entries_of_nan_are_missing_from_their_row_alone(name):
    values = having(good()[name], (1, 0), np.nan)
    values[4] = np.nan
    dataset = prepare(MODEL, good(**{name: values}))
    assert dataset.views[name].partial
    assert dataset.views[name].present.tolist() == [True, True, True, True, False, True]
    seen, observed = rows(dataset, name)
    np.testing.assert_array_equal(observed, ~np.isnan(values))
    np.testing.assert_array_equal(seen, np.nan_to_num(values))


def test_a_view_is_partial_in_every_batch_or_in_none():
    table = having(good()["table"], (N - 1, 0), np.nan)
    batches = prepare(MODEL, good(table=table)).in_order(2, CPU)
    assert [batch.observed["table"].shape for batch in batches] == [(2, 3)] * 3


def test_none_entries_lack_the_view():
    data = good()
    data["image"] = [None if i in (0, 5) else image for i, image in enumerate(data["image"])]
    data["labels"] = [None if i == 3 else row for i, row in enumerate(data["labels"].tolist())]
    data["species"] = [None if i == 1 else code for i, code in enumerate(data["species"].tolist())]
    dataset = prepare(MODEL, data)
    assert dataset.views["image"].present.tolist() == [False, True, True, True, True, False]
    assert dataset.views["labels"].present.tolist() == [True, True, True, False, True, True]
    assert dataset.views["species"].present.tolist() == [True, False, True, True, True, True]


def test_none_within_a_row_is_a_missing_entry():
    table = good()["table"].tolist()
    table[2][1] = None
    _, observed = rows(prepare(MODEL, good(table=table)), "table")
    assert np.argwhere(~observed).tolist() == [[2, 1]]


def test_rows_of_none_beside_missing_entries():
    table = good()["table"].tolist()
    table[0], table[2][1] = None, None
    _, observed = rows(prepare(MODEL, good(table=table)), "table")
    assert np.argwhere(~observed).tolist() == [[0, 0], [0, 1], [0, 2], [2, 1]]


def test_masked_entries_are_missing():
    values = good()["table"]
    mask = np.zeros(values.shape, dtype=bool)
    mask[1, 2] = mask[4] = True
    dataset = prepare(MODEL, good(table=np.ma.MaskedArray(values, mask)))
    assert (~dataset.views["table"].present).nonzero().tolist() == [[4]]
    np.testing.assert_array_equal(rows(dataset, "table")[1], ~mask)
    codes = np.ma.MaskedArray(good()["species"], mask[:, 2])
    assert prepare(MODEL, good(species=codes)).views["species"].present.tolist() == (~mask[:, 2]).tolist()
    in_list = list(np.ma.MaskedArray(values, mask))
    np.testing.assert_array_equal(rows(prepare(MODEL, good(table=in_list)), "table")[1], ~mask)
    with pytest.raises(DataError, match="complex"):
        prepare(MODEL, good(table=np.ma.MaskedArray(values.astype(complex), mask)))


def test_tensors_in_a_list():
    table = torch.as_tensor(good()["table"]).requires_grad_()
    for given in (list(table), [None, *table[1:]]):
        seen, observed = rows(given_views(MODEL, {"table": given}), "table")
        assert observed[:, 0].tolist() == [given[0] is not None] + [True] * (N - 1)
        np.testing.assert_array_equal(seen[1:], table.detach()[1:])


def test_uint8_images_stay_small_and_are_scaled_in_batches():
    pixels = np.random.default_rng(0).integers(0, 256, size=(N, 1, 4, 4), dtype=np.uint8)
    dataset = prepare(MODEL, good(image=pixels))
    assert dataset.views["image"].source.take(EVERY).dtype == torch.uint8
    np.testing.assert_allclose(rows(dataset, "image")[0], pixels / np.float32(255), rtol=1e-6)


def test_uint8_images_with_missing_rows():
    pixels = np.full((1, 4, 4), 51, dtype=np.uint8)
    dataset = prepare(MODEL, good(image=[pixels, None, pixels, pixels, pixels, pixels]))
    assert dataset.views["image"].source.take(EVERY).dtype == torch.uint8
    values, observed = rows(dataset, "image")
    assert observed[:, 0].tolist() == [True, False, True, True, True, True]
    assert np.unique(values[0]).item() == pytest.approx(0.2)
    assert (values[1] == 0).all()


def test_boolean_labels():
    labels = np.random.default_rng(0).integers(0, 2, size=(N, 2)).astype(bool)
    values, _ = rows(prepare(MODEL, good(labels=labels)), "labels")
    np.testing.assert_array_equal(values, labels.astype(float))


def test_a_single_feature_may_be_a_column_or_a_vector():
    model = FAVAE({"x": Real(1)}, n_factors=1)
    for values in (np.arange(4.0), np.arange(4.0)[:, None], pd.Series(np.arange(4.0))):
        assert rows(prepare(model, {"x": values}), "x")[0].tolist() == [[0.0], [1.0], [2.0], [3.0]]
        assert rows(given_views(model, {"x": values}), "x")[0].tolist() == [[0.0], [1.0], [2.0], [3.0]]


CODES = [0, 2, 1, 2]


@pytest.mark.parametrize(
    "values",
    [
        CODES,
        np.array(CODES),
        np.array(CODES, dtype=np.uint8),
        np.array(CODES, dtype=np.uint16),
        np.array(CODES, dtype=np.float32),
        np.array(CODES)[:, None],
        torch.tensor(CODES),
        torch.tensor(CODES)[:, None],
        pd.Series(CODES),
        pd.DataFrame({"species": CODES}),
    ],
    ids=["list", "int", "uint8", "uint16", "float32", "column", "tensor", "tensor column", "series", "frame"],
)
def test_codes_of_classes(values):
    model = FAVAE({"x": Categorical(3)}, n_factors=1)
    for dataset in (prepare(model, {"x": values}), given_views(model, {"x": values})):
        seen, observed = rows(dataset, "x")
        assert seen.tolist() == CODES
        assert observed.all()


def test_codes_of_classes_with_missing_rows():
    model = FAVAE({"x": Categorical(3)}, n_factors=1)
    codes = np.array([[0.0], [np.nan], [2.0]])
    seen, observed = rows(prepare(model, {"x": codes}), "x")
    assert seen.tolist() == [0, 0, 2]
    assert observed[:, 0].tolist() == [True, False, True]


TWO = FAVAE({"table": Real(["a", "b", "c"]), "other": Real(2)}, n_factors=1)


def test_frames_are_aligned_by_index_with_an_outer_join():
    first = frame(["x", "y", "z"])
    second = frame(["z", "w", "x"], columns=("p", "q"))
    dataset = prepare(TWO, {"table": first, "other": second})
    assert sorted(dataset.index) == ["w", "x", "y", "z"]
    for name, given in (("table", first), ("other", second)):
        values, observed = rows(dataset, name)
        for i, label in enumerate(dataset.index):
            assert observed[i, 0] == (label in given.index)
            if label in given.index:
                assert values[i].tolist() == given.loc[label].tolist()


def test_named_columns_are_put_in_the_declared_order():
    given = frame(range(4))
    dataset = prepare(TWO, {"table": given[["c", "a", "b"]], "other": np.zeros((4, 2))})
    np.testing.assert_array_equal(rows(dataset, "table")[0], given.to_numpy())


def test_columns_that_were_not_declared_are_left_out():
    given = frame(range(4)).assign(extra=1.0)
    dataset = prepare(TWO, {"table": given, "other": np.zeros((4, 2))})
    np.testing.assert_array_equal(rows(dataset, "table")[0], frame(range(4)).to_numpy())


def test_missing_rows_and_entries_of_a_frame_with_its_own_index():
    first, second = frame(["x", "y", "z"]), frame(["w", "z", "v", "x"], columns=("p", "q"))
    first.loc["z"] = np.nan
    second.loc["x", "q"] = np.nan
    dataset = prepare(TWO, {"table": first, "other": second})
    place = {label: i for i, label in enumerate(dataset.index)}
    _, observed = rows(dataset, "table")
    assert {label for label in place if observed[place[label]].all()} == {"x", "y"}
    values, observed = rows(dataset, "other")
    assert observed[place["x"]].tolist() == [True, False]
    assert not observed[place["y"]].any()
    assert values[place["v"]].tolist() == second.loc["v"].tolist()
    assert np.isfinite(values).all()


def test_a_frame_without_rows_beside_one_with_some():
    given = {"table": frame(["x", "y"]), "other": frame(["x"], columns=("p", "q"))[:0]}
    assert not rows(given_views(TWO, given), "other")[1].any()
    with pytest.raises(DataError, match="'other' is missing in all 2 rows"):
        prepare(TWO, given)


def test_names_of_another_kind_that_meet_no_row():
    """As the row names of an AnnData, always strings, beside a frame's numbers."""
    given = {"table": frame(range(3)), "other": frame(["0", "1", "2"], columns=("p", "q"))}
    with pytest.raises(DataError, match=r"'other' names its rows by string \('0'\).*integer \(0\).*astype"):
        prepare(TWO, given)


def test_names_of_many_levels():
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    given = {"table": frame(index), "other": frame(index[::-1], columns=("p", "q"))}
    dataset = prepare(TWO, given)
    assert list(dataset.index) == list(index)
    np.testing.assert_array_equal(rows(dataset, "other")[0], given["other"].to_numpy()[::-1])
    given["other"].index = ["p", "q", "r"]
    with pytest.raises(DataError, match="'other' names its rows by string"):
        prepare(TWO, given)


@dataclass(frozen=True)
class Padded(Image):
    """Rows of variable length, shorter ones padded at their end."""

    missing_entries = True

    def collected(self, name: str, rows) -> np.ndarray:
        whole = np.full((len(rows), *self.shape), np.nan)
        for place, row in zip(whole, rows, strict=True):
            place[:, : row.shape[1]] = row
        return whole

    def check(self, name: str, data: torch.Tensor) -> None:
        assert data.shape[1:] == self.shape


LENGTHS = {
    "some": [2, None, 4, 1],
    "all alike": [3, 3, 3],
    "the longest": [4, 4],
    "one": [2],
    "one alone that is there": [None, 2],
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize(
    "kind", [np.asarray, np.ndarray.tolist, torch.as_tensor], ids=["array", "list", "tensor"]
)
def test_a_view_may_pad_rows_of_variable_length(rng, kind, lengths):
    given = [None if length is None else rng.random((2, length, 4)) for length in lengths]
    last = next(row for row in reversed(given) if row is not None)
    last[0, 0, 3] = np.nan
    expected = np.full((len(given), 2, 4, 4), np.nan)
    for place, row in zip(expected, given, strict=True):
        if row is not None:
            place[:, : row.shape[1]] = row
    model = FAVAE({"x": Padded((2, 4, 4), 2)}, 1)
    dataset = prepare(model, {"x": [row if row is None else kind(row) for row in given]})
    assert dataset.views["x"].present.tolist() == [row is not None for row in given]
    values, observed = rows(dataset, "x")
    np.testing.assert_array_equal(observed, ~np.isnan(expected))
    np.testing.assert_array_equal(values, np.nan_to_num(expected).astype(np.float32))


UNEQUAL = {
    "lengths": [np.zeros((1, 4, 4)), np.zeros((1, 3, 4)), None],
    "dimensions": [np.zeros((1, 4, 4)), np.zeros((4, 4))],
    "within a row": [np.zeros((1, 4, 4)), [[1.0, 2.0], [1.0]]],
    "objects": np.array([np.zeros((1, 4, 4)), np.zeros((1, 3, 4)), None], dtype=object),
    "sparse rows": [torch.zeros(3, 4).to_sparse()] * 2,
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_rows_of_unequal_shape(case):
    with pytest.raises(DataError, match="'x'.*array of numbers"):
        prepare(FAVAE({"x": Image((1, 4, 4), 2)}, 1), {"x": UNEQUAL[case]})


def test_a_list_without_rows():
    with pytest.raises(DataError, match="0 rows"):
        prepare(FAVAE({"x": Real(3)}, 1), {"x": []})


@pytest.mark.parametrize(
    "values", ["text", {"a": [1.0]}, {1.0, 2.0}, (v for v in [1.0]), 3.0, torch.tensor(3.0)]
)
def test_what_has_no_rows(values):
    with pytest.raises(DataError, match="view 'x'"):
        prepare(FAVAE({"x": Real(1)}, 1), {"x": values})


def test_a_frame_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"'table' has shape \(4, 2\), expected \(rows, 3\)"):
        prepare(TWO, {"table": frame(range(4), columns=("a", "b")), "other": np.zeros((4, 2))})


def test_nullable_columns():
    given = frame(range(4)).astype("Float64")
    given.loc[2] = pd.NA
    given.loc[3, "b"] = pd.NA
    _, observed = rows(prepare(TWO, {"table": given, "other": np.zeros((4, 2))}), "table")
    assert observed.tolist() == [[True] * 3, [True] * 3, [False] * 3, [True, False, True]]


def test_arrays_beside_frames_are_by_position():
    given = frame([10, 20, 30])
    dataset = prepare(TWO, {"table": given, "other": np.arange(6.0).reshape(3, 2)})
    assert list(dataset.index) == [10, 20, 30]
    assert rows(dataset, "other")[0].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"table": [1.0, 2.0, 3.0]}, [[1, 2, 3]]),
        ({"table": torch.tensor([1.0, 2.0, 3.0])}, [[1, 2, 3]]),
        ({"table": pd.Series([3.0, 1.0, 2.0], index=["c", "a", "b"])}, [[1, 2, 3]]),
        ({"table": [1.0, None, 3.0]}, [[1, 0, 3]]),
        ({"table": [None, [1.0, 2.0, 3.0]]}, [[0, 0, 0], [1, 2, 3]]),
        ({"species": 2}, [2]),
        ({"species": [None, 2]}, [0, 2]),
    ],
    ids=[
        "a row",
        "a tensor's row",
        "a series",
        "a row with a missing entry",
        "rows, one missing",
        "a class",
        "classes, one missing",
    ],
)
def test_what_one_conditions_on_may_be_a_single_row(given, expected):
    (name,) = given
    assert rows(given_views(MODEL, given), name)[0].tolist() == expected


def test_batches_hold_every_row_once():
    dataset = prepare(MODEL, good())
    ordered = torch.cat([batch.data["table"] for batch in dataset.in_order(4, CPU)])
    np.testing.assert_array_equal(ordered.numpy(), good()["table"])
    generator = torch.Generator().manual_seed(0)
    batches = list(dataset.shuffled(4, CPU, generator))
    assert [batch.n for batch in batches] == [3, 3]
    shuffled = torch.cat([batch.data["table"] for batch in batches])
    assert sorted(shuffled[:, 0].tolist()) == sorted(ordered[:, 0].tolist())


def test_batches_of_some_views():
    dataset = prepare(MODEL, good())
    for batch in dataset.in_order(4, CPU, ["species", "table"]):
        assert list(batch.data) == list(batch.observed) == ["species", "table"]
    assert [batch.n for batch in dataset.in_order(4, CPU)] == [4, 2]
