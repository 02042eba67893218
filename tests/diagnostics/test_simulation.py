"""Simulation-based calibration, of posteriors that are exact and of some that are not."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.diagnostics import SBC, simulation_based_calibration
from pyro_favae.errors import SpecError

BIAS = {"bias": lambda sites: sites["a.bias"][0]}
PROPER = {"weights": fv.priors.ARD(2, 2), "noise": fv.priors.Gamma(2, 2), "bias_precision": 1.0}


def biases():
    """Nothing but biases to learn: q is the posterior."""
    view = fv.views.Real(2, standardise="none", noise=fv.priors.FixedNoise(1.0))
    return fv.FAVAE({"a": view}, 1, weights=fv.priors.Normal(1e10), bias_precision=1.0)


@pytest.fixture(scope="module")
def learnt() -> dict[int, fv.Fit]:
    """Fits by seed, which decides a simulation's data too: what is done to their posteriors is done to copies."""
    return {}


def calibrated(learnt, change=lambda view: None, n=80):
    def fit(*args, **settings):
        seed = settings["seed"]
        if seed not in learnt:
            learnt[seed] = fv.fit(*args, **settings, device="cpu")
        changed = deepcopy(learnt[seed])
        change(changed.posterior.view("a"))
        return changed

    options = {"n_simulations": n, "draws": 31, "quantities": BIAS, "fit": fit, "epochs": 3}
    return simulation_based_calibration(biases(), 4, **options)


def test_an_exact_posterior_has_uniform_ranks(learnt):
    found = calibrated(learnt)
    row = found.table.loc["bias"]
    assert row["reading"] == "uniform"
    assert abs(row["centre"] - 0.5) < 4 / np.sqrt(12 * 80)
    assert abs(row["spread"] ** 2 - 1) < 12 * 4 / np.sqrt(180 * 80)
    assert found.ranks.shape == (80, 1)
    assert found.bins == 16


def test_posteriors_too_narrow_too_wide_or_shifted_are_told(learnt):
    def narrow(view):
        view.weights_covariance.mul_(0.05)

    def wide(view):
        view.weights_covariance.mul_(30)

    def low(view):
        view.weights_mean[:, -1] -= 1.0

    readings = {
        change.__name__: calibrated(learnt, change).table.loc["bias", "reading"]
        for change in (narrow, wide, low)
    }
    assert readings == {"narrow": "too narrow", "wide": "too wide", "low": "too low"}


def test_the_table_of_known_ranks():
    uniform = pd.DataFrame({"x": np.tile(np.arange(32), 5), "y": np.repeat([0, 31], 80)})
    table = SBC(uniform, 31).table
    assert table.loc["x", "p_value"] == 1
    assert table.loc["x", "centre"] == 0.5
    assert table.loc["x", "spread"] == pytest.approx(1, abs=0.01)
    assert list(table["reading"]) == ["uniform", "too narrow"]


def test_default_quantities_of_several_kinds_of_views():
    views = {
        "a": fv.views.Real(2, standardise="none"),
        "known": fv.views.Real(1, standardise="none", noise=fv.priors.FixedNoise(1.0)),
        "labels": fv.views.Bernoulli(2),
    }
    prior = fv.priors.Grouped(("here", "there"))
    found = simulation_based_calibration(
        fv.FAVAE(views, 1, **PROPER, factors=prior), 20, n_simulations=20, draws=7, epochs=3
    )
    assert list(found.ranks) == [
        *(f"a.{name}" for name in ("noise_precision", "bias", "variance", "covariance")),
        *(f"known.{name}" for name in ("bias", "variance")),
        *(f"labels.{name}" for name in ("noise_precision", "bias", "variance", "covariance")),
        "cross a known",
        "cross known labels",
    ]
    assert found.ranks.min().min() >= 0
    assert found.ranks.max().max() <= 7


def test_improper_priors_are_refused():
    view = fv.views.Real(2, standardise="none")
    for options in ({}, {"weights": fv.priors.ARD(2, 2)}, {"noise": fv.priors.Gamma(2, 2)}):
        with pytest.raises(SpecError, match=r"the prior drew a\..* fv.priors.Gamma\(2, 2\)"):
            simulation_based_calibration(fv.FAVAE({"a": view}, 1, **options), 10)


def test_what_has_no_prior_data():
    with pytest.raises(SpecError, match="standardise='view'"):
        simulation_based_calibration(fv.FAVAE({"a": fv.views.Real(2)}, 1, **PROPER), 10)
    with pytest.raises(SpecError, match="'image' is a Image"):
        simulation_based_calibration(fv.FAVAE({"image": fv.views.Image((1, 8, 8), 2)}, 1, **PROPER), 10)
    with pytest.raises(SpecError, match="at least 20"):
        simulation_based_calibration(biases(), 10, n_simulations=3)
