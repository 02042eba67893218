"""Moments of what is observed of a view, merged over chunks."""

import numpy as np
import pytest
import torch

from pyro_favae.data import prepare
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Real

N = 101
SIZES = (1, 7, 50, 1000)  # rows at a time


def table(rng: np.random.Generator, missing: str) -> np.ndarray:
    values = rng.normal(size=(N, 4)) * [1, 10, 0.1, 3] + [0, -2, 5, 1]
    if missing in ("rows", "both"):
        values[rng.random(N) < 0.3] = np.nan
        values[:8] = np.nan  # a whole chunk
    if missing in ("entries", "both"):
        values[rng.random(values.shape) < 0.4] = np.nan
        values[:20, 2] = np.nan
    return values


def moments(values: np.ndarray, size: int):
    dataset = prepare(FAVAE({"x": Real(values.shape[1])}, 1), {"x": values})
    return dataset.moments("x", size, torch.device("cpu"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("missing", ["nothing", "rows", "entries", "both"])
def test_they_are_those_of_what_is_observed(rng, missing, size):
    values = table(rng, missing)
    found = moments(values, size)
    np.testing.assert_allclose(found.mean, np.nanmean(values, 0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, np.nanvar(values, 0), rtol=1e-12)
    np.testing.assert_allclose(found.largest, np.nanmax(np.abs(values), 0), rtol=0)
    np.testing.assert_array_equal(found.count, (~np.isnan(values)).sum(0))
    assert all(part.dtype == torch.float64 for part in found)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("missing", ["rows", "entries"])
def test_a_large_mean_costs_no_digits(rng, missing, size):
    """Σx² − n mean² would lose all of them."""
    values = table(rng, missing) + 1e8
    found = moments(values, size)
    exact = values.astype(np.longdouble)
    variance = np.nanvar(exact, 0).astype(float)
    rounding = np.spacing(1e8)  # the mean itself cannot be told more exactly
    assert (np.abs(found.variance.numpy() - variance) < 2 * rounding * np.sqrt(variance)).all()
    np.testing.assert_allclose(found.mean, np.nanmean(exact, 0).astype(float), rtol=1e-15)


@pytest.mark.parametrize("size", SIZES)
def test_single_precision_gives_double_precision_moments(rng, size):
    values = table(rng, "entries").astype(np.float32)
    found = moments(values, size)
    np.testing.assert_allclose(found.variance, np.nanvar(values.astype(np.float64), 0), rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_a_column_that_is_never_observed(rng, size):
    values = table(rng, "entries")
    values[:, 1] = np.nan
    found = moments(values, size)
    assert [float(part[1]) for part in found] == [0, 0, 0, 0]
    np.testing.assert_allclose(found.variance[[0, 2, 3]], np.nanvar(values[:, [0, 2, 3]], 0), rtol=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["view", "feature"])
def test_rounding_of_a_constant_columns_mean_is_no_variance(rng, how, size):
    constants = np.sign(rng.normal(size=200)) * 10 ** rng.uniform(-12, 12, size=200)
    emission = Real(200, standardise=how).emission()
    emission.calibrate(moments(np.tile(constants, (1000, 1)), size))
    assert (emission.scale == 1).all()
    np.testing.assert_allclose(emission.location, constants, rtol=1e-14)
