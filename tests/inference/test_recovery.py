"""Simulated data: the factors that made them are found, view by view, whatever the start."""

import numpy as np
import pytest

from pyro_favae.fitting import fit
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Real

# which true factor drives which view: two shared, one of two views, one private
PATTERN = np.array([[1, 1, 0, 1], [1, 1, 1, 0], [1, 0, 1, 0]], dtype=bool)
SIZES = (20, 15, 10)
N = 600


def simulated() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(N, PATTERN.shape[1]))
    data = {}
    for i, size in enumerate(SIZES):
        weights = rng.normal(size=(size, PATTERN.shape[1])) * PATTERN[i]
        data[f"view{i}"] = 5 * i + factors @ weights.T + 0.7 * rng.normal(size=(N, size))
    data["view1"][:30] = np.nan
    return data


@pytest.fixture(scope="module")
def fits():
    data = simulated()
    model = FAVAE({name: Real(values.shape[1]) for name, values in data.items()}, n_factors=10)
    return [
        fit(model, data, epochs=150, tolerance=1e-7, seed=seed, device="cpu", progress=False)
        for seed in (0, 1, 2)
    ]


def test_the_active_factors_are_the_true_ones(fits):
    for result in fits:
        active = result.active.to_numpy()
        found = sorted(map(tuple, active[:, active.any(0)].T))
        assert found == sorted(map(tuple, PATTERN.T))


def test_restarts_agree(fits):
    bounds = np.array([result.elbo for result in fits])
    assert np.ptp(bounds) <= 1e-4 * abs(bounds.mean())


def test_the_bound_never_falls(fits):
    for result in fits:
        elbo = result.history["elbo"].to_numpy()
        assert (np.diff(elbo) >= -1e-9 * abs(elbo[:-1])).all()
        assert result.ended_by == "tolerance"


def test_a_seed_repeats_a_fit_exactly(fits):
    data = simulated()
    model = fits[1].declaration
    again = fit(model, data, epochs=150, tolerance=1e-7, seed=1, device="cpu", progress=False)
    assert again.history["elbo"].tolist() == fits[1].history["elbo"].tolist()


def test_the_bound_is_in_the_users_units():
    """Pass by pass, data in other units shift the bound by the change of units alone.

    Not so the pass that a fit ends with: its tolerance is a share of the bound.
    """
    data = {"a": simulated()["view2"]}
    options = {"epochs": 10, "tolerance": 1e-12, "seed": 0, "device": "cpu", "progress": False}
    model = FAVAE({"a": Real(10)}, n_factors=4)
    first = fit(model, data, **options).history["elbo"].to_numpy()
    second = fit(model, {"a": 1000 * data["a"] - 3}, **options).history["elbo"].to_numpy()
    np.testing.assert_allclose(first - second, data["a"].size * np.log(1000), rtol=1e-9)
