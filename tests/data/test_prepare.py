"""Data in: alignment, missing rows, and what each bad input is told."""

import numpy as np
import pandas as pd
import pytest
import torch

from pyro_favae.data import prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Bernoulli, Image, Real

MODEL = FAVAE(
    {"table": Real(["a", "b", "c"]), "labels": Bernoulli(2), "image": Image((1, 4, 4), latent_dim=2)},
    n_factors=2,
)
N = 6


def good(**changes) -> dict:
    rng = np.random.default_rng(0)
    data = {
        "table": rng.normal(size=(N, 3)),
        "labels": rng.integers(0, 2, size=(N, 2)),
        "image": rng.random(size=(N, 1, 4, 4)).astype(np.float32),
    }
    return data | changes


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
    "part of a row NaN": (
        {"table": having(np.zeros((N, 3)), (1, 2), np.nan)},
        ["'table'", "1 NaN", "wholly NaN"],
    ),
    "NaN label": ({"labels": having(np.zeros((N, 2)), (3, 0), np.nan)}, ["'labels'", "1 NaN", "wholly NaN"]),
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
        {"table": np.zeros((0, 3)), "labels": np.zeros((0, 2)), "image": np.zeros((0, 1, 4, 4))},
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
    assert list(dataset.data) == list(MODEL.views)
    assert all(mask.all() for mask in dataset.observed.values())
    batch = dataset.batch(torch.tensor([3, 1]), torch.device("cpu"))
    assert batch.n == 2
    assert batch.data["table"].dtype == torch.float64
    assert batch.data["labels"].dtype == torch.float64
    assert batch.data["image"].dtype == torch.float32
    torch.testing.assert_close(batch.data["table"], torch.as_tensor(good()["table"][[3, 1]]))


def test_the_order_of_views_is_the_declarations():
    data = dict(reversed(list(good().items())))
    assert list(prepare(MODEL, data).data) == list(MODEL.views)


def test_the_users_arrays_are_not_changed():
    data = good()
    data["table"][2] = np.nan
    data["table"].flags.writeable = False
    before = data["table"].copy()
    prepare(MODEL, data)
    np.testing.assert_array_equal(data["table"], before)


@pytest.mark.parametrize(
    "make",
    [torch.as_tensor, np.ndarray.tolist, np.asfortranarray, lambda a: a[::-1][::-1]],
    ids=["tensor", "list", "Fortran order", "strided"],
)
def test_kinds_of_array(make):
    data = good()
    dataset = prepare(MODEL, {name: make(values) for name, values in data.items()})
    np.testing.assert_allclose(dataset.data["table"].numpy(), data["table"])
    np.testing.assert_allclose(dataset.data["image"].numpy(), data["image"])


def test_rows_of_nan_lack_the_view():
    data = good()
    data["table"][[1, 4]] = np.nan
    data["image"][2] = np.nan
    dataset = prepare(MODEL, data)
    assert dataset.observed["table"].tolist() == [True, False, True, True, False, True]
    assert dataset.observed["image"].tolist() == [True, True, False, True, True, True]
    assert all(torch.isfinite(values.double()).all() for values in dataset.data.values())


def test_none_entries_lack_the_view():
    data = good()
    data["image"] = [None if i in (0, 5) else image for i, image in enumerate(data["image"])]
    data["labels"] = [None if i == 3 else row for i, row in enumerate(data["labels"].tolist())]
    dataset = prepare(MODEL, data)
    assert dataset.observed["image"].tolist() == [False, True, True, True, True, False]
    assert dataset.observed["labels"].tolist() == [True, True, True, False, True, True]


def test_uint8_images_stay_small_and_are_scaled_in_batches():
    pixels = np.random.default_rng(0).integers(0, 256, size=(N, 1, 4, 4), dtype=np.uint8)
    dataset = prepare(MODEL, good(image=pixels))
    assert dataset.data["image"].dtype == torch.uint8
    batch = dataset.batch(slice(0, N), torch.device("cpu"))
    np.testing.assert_allclose(batch.data["image"].numpy(), pixels / np.float32(255), rtol=1e-6)


def test_uint8_images_with_missing_rows():
    pixels = np.full((1, 4, 4), 51, dtype=np.uint8)
    dataset = prepare(MODEL, good(image=[pixels, None, pixels, pixels, pixels, pixels]))
    assert dataset.data["image"].dtype == torch.uint8
    assert dataset.observed["image"].tolist() == [True, False, True, True, True, True]
    assert dataset.batch(slice(0, 1), torch.device("cpu")).data["image"].unique().item() == pytest.approx(0.2)


def test_boolean_labels():
    labels = np.random.default_rng(0).integers(0, 2, size=(N, 2)).astype(bool)
    batch = prepare(MODEL, good(labels=labels)).batch(slice(0, N), torch.device("cpu"))
    np.testing.assert_array_equal(batch.data["labels"].numpy(), labels.astype(float))


def test_a_single_feature_may_be_a_column_or_a_vector():
    model = FAVAE({"x": Real(1)}, n_factors=1)
    for values in (np.arange(4.0), np.arange(4.0)[:, None], pd.Series(np.arange(4.0))):
        assert prepare(model, {"x": values}).data["x"].tolist() == [[0.0], [1.0], [2.0], [3.0]]


TWO = FAVAE({"table": Real(["a", "b", "c"]), "other": Real(2)}, n_factors=1)


def test_frames_are_aligned_by_index_with_an_outer_join():
    first = frame(["x", "y", "z"])
    second = frame(["z", "w", "x"], columns=("p", "q"))
    dataset = prepare(TWO, {"table": first, "other": second})
    assert sorted(dataset.index) == ["w", "x", "y", "z"]
    for name, given in (("table", first), ("other", second)):
        for i, label in enumerate(dataset.index):
            assert bool(dataset.observed[name][i]) == (label in given.index)
            if label in given.index:
                assert dataset.data[name][i].tolist() == given.loc[label].tolist()


def test_named_columns_are_put_in_the_declared_order():
    given = frame(range(4))
    dataset = prepare(TWO, {"table": given[["c", "a", "b"]], "other": np.zeros((4, 2))})
    np.testing.assert_array_equal(dataset.data["table"].numpy(), given.to_numpy())


def test_columns_that_were_not_declared_are_left_out():
    given = frame(range(4)).assign(extra=1.0)
    dataset = prepare(TWO, {"table": given, "other": np.zeros((4, 2))})
    np.testing.assert_array_equal(dataset.data["table"].numpy(), frame(range(4)).to_numpy())


def test_a_frame_of_another_shape_is_refused():
    with pytest.raises(DataError, match=r"'table' has shape \(4, 2\), expected \(rows, 3\)"):
        prepare(TWO, {"table": frame(range(4), columns=("a", "b")), "other": np.zeros((4, 2))})


def test_nullable_columns():
    given = frame(range(4)).astype("Float64")
    given.loc[2] = pd.NA
    dataset = prepare(TWO, {"table": given, "other": np.zeros((4, 2))})
    assert dataset.observed["table"].tolist() == [True, True, False, True]


def test_arrays_beside_frames_are_by_position():
    given = frame([10, 20, 30])
    dataset = prepare(TWO, {"table": given, "other": np.arange(6.0).reshape(3, 2)})
    assert list(dataset.index) == [10, 20, 30]
    assert dataset.data["other"].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


def test_batches_hold_every_row_once():
    dataset = prepare(MODEL, good())
    ordered = torch.cat([batch.data["table"] for batch in dataset.in_order(4, torch.device("cpu"))])
    torch.testing.assert_close(ordered, dataset.data["table"])
    generator = torch.Generator().manual_seed(0)
    batches = list(dataset.shuffled(4, torch.device("cpu"), generator))
    assert [batch.n for batch in batches] == [3, 3]
    shuffled = torch.cat([batch.data["table"] for batch in batches])
    assert sorted(shuffled[:, 0].tolist()) == sorted(ordered[:, 0].tolist())
