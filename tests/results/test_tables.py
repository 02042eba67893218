"""Results carry the user's names of rows, columns and classes."""

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError

ROWS = [f"patient {i}" for i in range(40)]


@pytest.fixture(scope="module")
def named():
    rng = np.random.default_rng(0)
    g = rng.normal(size=(40, 1))
    blood = pd.DataFrame(
        g @ [[1.0, -2.0, 0.5]] + 0.1 * rng.normal(size=(40, 3)), ROWS, ["iron", "zinc", "lead"]
    )
    kind = pd.Series((g[:, 0] > 0).astype(float), ROWS[::-1])
    model = fv.FAVAE(
        {"blood": fv.views.Real(["iron", "zinc", "lead"]), "kind": fv.views.Categorical(["cat", "dog"])}, 2
    )
    data = {"blood": blood, "kind": kind}
    return fv.fit(model, data, epochs=20, seed=0, progress=False), data


def test_predictions(named):
    fit, data = named
    some = data["blood"].iloc[[5, 2]]
    table = fit.predict("kind", {"blood": some}).to_frame()
    assert list(table.index) == ["patient 5", "patient 2"]
    assert list(table.columns) == ["cat", "dog"]
    np.testing.assert_allclose(table.sum(axis=1), 1)
    back = fit.predict("blood", {"kind": data["kind"]}).to_frame()
    assert list(back.index) == ROWS[::-1]
    assert list(back.columns) == ["iron", "zinc", "lead"]


def test_factors(named):
    fit, data = named
    factors = fit.transform({"blood": data["blood"]})
    table = factors.to_frame()
    assert list(table.index) == ROWS
    assert table.columns.name == "factor"
    np.testing.assert_array_equal(table, factors.mean)


def test_weights(named):
    fit, _ = named
    table = fit.weight_table("blood")
    assert list(table.index) == ["iron", "zinc", "lead"]
    np.testing.assert_array_equal(table, fit.weights("blood"))
    with pytest.raises(DataError, match="unknown view 'bones'"):
        fit.weight_table("bones")


def test_images_are_no_table(image_fit):
    fit, images = image_fit
    with pytest.raises(SpecError, match=r"rows of shape \(1, 8, 8\) are no table"):
        fit.predict("digit", {"digit": images[:2]}).to_frame()


@pytest.fixture(scope="module")
def image_fit():
    images = fv.datasets.load_digits().images[:60]
    model = fv.FAVAE({"digit": fv.views.Image((1, 8, 8), 3, network="dense")}, 2)
    return fv.fit(model, {"digit": images}, epochs=2, seed=0, progress=False), images


def test_what_nothing_is_given_of_has_one_row(named):
    assert list(named[0].predict("blood", None).to_frame().index) == [0]
