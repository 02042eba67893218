from copy import deepcopy

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.diagnostics import coverage
from pyro_favae.diagnostics.coverage import _row
from pyro_favae.errors import DataError, SpecError
from pyro_favae.results import Fit
from tests.diagnostics import simulated


@pytest.fixture(scope="module")
def halves():
    """A fit of some rows, and others that it has not seen."""
    rows = {name: values[: -simulated.MISSING] for name, values in simulated.simulate(560).data.items()}
    learn, test = (
        {name: values[part] for name, values in rows.items()} for part in (slice(350), slice(350, None))
    )
    return simulated.fit(learn), test


def test_a_right_model_covers_what_it_says(halves):
    table = coverage(*halves, seed=0)
    assert list(table.index.get_level_values("view").unique()) == ["left", "right"]
    levels = table.index.get_level_values("level").to_numpy()
    assert np.all(np.abs(table["coverage"] - levels) < 4 * table["standard_error"])
    assert np.all(table["standard_error"] < 0.03)
    assert table.loc[("left", 0.5), "entries"] == pytest.approx(0.2 * 150 * 30, rel=0.1)


def test_one_that_believes_in_less_noise_does_not(halves):
    fit, test = halves
    sure = Fit(deepcopy(fit.guide), fit.history, fit.ended_by)
    for view in sure.posterior.views:
        view.noise.rate.div_(9)
    table = coverage(sure, test, seed=0)
    assert np.all(table["coverage"] < table.index.get_level_values("level") - 4 * table["standard_error"])


def test_what_is_hidden_may_be_given(halves):
    fit, test = halves
    given = {name: values.copy() for name, values in test.items()}
    given["left"][:, :3] = np.nan
    table = coverage(fit, test, given, levels=[0.8], draws=100, seed=0)
    assert list(table.index) == [("left", 0.8)]
    assert list(table.iloc[0][["entries", "rows"]]) == [450, 150]


def test_the_error_counts_rows_not_entries():
    """Of entries that are all the same in a row, it is that of as many rows."""
    rng = np.random.default_rng(0)
    inside = rng.random(400) < 0.8
    ranks = np.repeat(np.where(inside, 0.5, 0.99), 10)
    found = _row("x", 0.8, ranks, np.repeat(np.arange(400), 10))
    share = inside.mean()
    assert found["coverage"] == pytest.approx(share)
    assert found["standard_error"] == pytest.approx(np.sqrt(share * (1 - share) / 400))


def test_images_are_hidden_by_row_with_their_noise():
    images = fv.datasets.load_digits().images[:120]
    table = images[:, 0, 2:6, 2:6].reshape(120, -1)
    views = {"digit": fv.views.Image((1, 8, 8), 3, network="dense"), "pixels": fv.views.Real(16)}
    data = {"digit": images, "pixels": table}
    fit = fv.fit(fv.FAVAE(views, 3), data, epochs=5, batch_size=30, seed=0, progress=False, device="cpu")
    found = coverage(fit, data, levels=[0.9], draws=50, seed=0).loc[("digit", 0.9)]
    assert found["entries"] == 64 * found["rows"]
    assert found["coverage"] > 0.5
    pixels = coverage(fit, data, views=["pixels"], levels=[0.9], draws=50, seed=0)
    assert list(pixels.index) == [("pixels", 0.9)]
    assert pixels["entries"].item() == pytest.approx(0.2 * 120 * 16, rel=0.2)


def test_labels_have_no_intervals():
    labels = (np.random.default_rng(0).random((40, 3)) < 0.5).astype(float)
    fit = fv.fit(fv.FAVAE({"l": fv.views.Bernoulli(3)}, 1), {"l": labels}, epochs=3, progress=False)
    with pytest.raises(SpecError, match="no view has values with intervals"):
        coverage(fit, {"l": labels})
    views = {"l": fv.views.Bernoulli(3), "t": fv.views.Real(2)}
    data = {"l": labels, "t": labels[:, :2] + 0.1 * np.arange(40)[:, None]}
    fit = fv.fit(fv.FAVAE(views, 1), data, epochs=3, progress=False)
    with pytest.raises(SpecError, match="view 'l' has no values with intervals, expected one of \\['t'\\]"):
        coverage(fit, data, views=["l"])
    with pytest.raises(DataError, match="unknown view 'tables'"):
        coverage(fit, data, views=["tables"])


def test_a_seed_repeats_it_and_nothing_hidden_is_said(halves):
    fit, test = halves
    first, again = (coverage(fit, test, draws=50, seed=4) for _ in range(2))
    assert first.equals(again)
    with pytest.raises(DataError, match="nothing of"):
        coverage(fit, test, test)
    with pytest.raises(SpecError, match="1.5 is no share"):
        coverage(fit, test, levels=[1.5])
