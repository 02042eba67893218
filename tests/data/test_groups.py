"""Labels of groups beside the views: alignment, missing labels, and what each bad input is told."""

import numpy as np
import pandas as pd
import pytest
import torch

from pyro_favae.data import given_views, prepare
from pyro_favae.errors import DataError
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Grouped, Mixture
from pyro_favae.models.views import Real

GROUPS = ("ours", "theirs")
MODEL = FAVAE({"x": Real(2), "y": Real(3)}, 2, factors=Grouped(GROUPS, column="batch"))
LABELS = ["theirs", "ours", "ours", "theirs"]
N, POSITIONS = len(LABELS), [1, 0, 0, 1]


def data(**changes) -> dict:
    return {"x": np.ones((N, 2)), "y": np.zeros((N, 3)), "batch": LABELS} | changes


def frames(index) -> dict:
    return {"x": pd.DataFrame(np.ones((N, 2)), index), "y": pd.DataFrame(np.zeros((N, 3)), index)}


@pytest.mark.parametrize(
    "labels",
    [
        LABELS,
        tuple(LABELS),
        np.array(LABELS),
        np.array(LABELS, dtype=object),
        pd.Categorical(LABELS, categories=["theirs", "ours", "others"]),
        pd.Series(LABELS),
        pd.Series(LABELS, dtype="category"),
        pd.Series(LABELS, dtype="string"),
        pd.Series(LABELS, index=["d", "c", "b", "a"]),
    ],
    ids=str,
)
def test_labels_of_rows_without_an_index_are_by_position(labels):
    dataset = prepare(MODEL, data(batch=labels))
    assert dataset.groups.tolist() == POSITIONS
    assert list(dataset.views) == ["x", "y"]


def test_a_series_is_aligned_by_index_as_frames_are():
    labels = pd.Series(dict(zip("abcd", LABELS, strict=True)) | {"unknown row": "ours"})
    dataset = prepare(MODEL, frames(list("dcba")) | {"batch": labels})
    assert list(dataset.index) == list("dcba")
    assert dataset.groups.tolist() == POSITIONS[::-1]


def test_batches_hold_the_positions_of_their_rows():
    dataset = prepare(MODEL, data())
    assert dataset.batch(torch.tensor([2, 3]), torch.device("cpu")).groups.tolist() == [0, 1]
    assert dataset.batch(slice(0, 2), torch.device("cpu")).groups.tolist() == [1, 0]


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_prediction_may_lack_labels(missing):
    x = {"x": np.ones((N, 2))}
    assert given_views(MODEL, x | {"batch": ["ours", missing, "theirs", missing]}).groups.tolist() == [
        0,
        2,
        1,
        2,
    ]
    for labels in ({}, {"batch": None}):
        assert given_views(MODEL, x | labels).groups.tolist() == [2] * N


def test_labels_alone_are_enough_to_predict_from():
    dataset = given_views(MODEL, {"batch": pd.Series(LABELS, index=list("abcd"))})
    assert dataset.groups.tolist() == POSITIONS
    assert list(dataset.index) == list("abcd")
    with pytest.raises(DataError, match="nothing given"):
        given_views(MODEL, {"batch": None})


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["ours", "elsewhere", "ours", "ours"], ["'batch'", "'elsewhere'", "row 1", "'theirs'"]),
        ([0, 1, 1, 0], ["'batch'", "0", "'ours'"]),
        (["ours", None, np.nan, "ours"], ["'batch'", "row 1", "1 others", "'theirs'"]),
        (None, ["'batch'", "row 0", "3 others"]),
        (LABELS[:3], ["'batch'", "3 labels", "expected 4"]),
        ("ours", ["'batch'", "()", "(rows,)"]),
        (np.array([LABELS]).T, ["'batch'", "(4, 1)", "(rows,)"]),
    ],
    ids=["undeclared", "numbers", "missing", "none", "too few", "one for all", "a column"],
)
def test_bad_labels_are_refused(labels, words):
    with pytest.raises(DataError) as error:
        prepare(MODEL, data(batch=labels))
    assert all(word in str(error.value) for word in words), error.value


def test_labels_left_out_are_missed_while_learning():
    with pytest.raises(DataError, match="'batch': row 0 has no label"):
        prepare(MODEL, {name: values for name, values in data().items() if name != "batch"})


def test_labels_that_repeat_an_index_are_refused():
    with pytest.raises(DataError, match="'batch': the index repeats 'a'"):
        prepare(MODEL, frames(list("abcd")) | {"batch": pd.Series(LABELS, index=list("abca"))})


def test_frames_whose_rows_have_no_label_are_named():
    with pytest.raises(DataError, match="row 'd' has no label"):
        prepare(MODEL, frames(list("abcd")) | {"batch": pd.Series(LABELS[:3], index=list("abc"))})


def test_undeclared_labels_are_refused_in_predictions_too():
    with pytest.raises(DataError, match="'elsewhere'"):
        given_views(MODEL, {"x": np.ones((1, 2)), "batch": ["elsewhere"]})


def test_without_groups_a_column_of_labels_is_no_view():
    model = FAVAE(MODEL.views, 2, factors=Mixture(2))
    with pytest.raises(DataError, match="unknown view 'batch'"):
        prepare(model, data())
    assert prepare(model, {"x": data()["x"], "y": data()["y"]}).groups is None
