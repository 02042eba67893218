"""k-hat where the truth about q is known."""

from copy import deepcopy

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.diagnostics import psis
from pyro_favae.diagnostics.pareto import largest_shape, pareto_shape
from pyro_favae.diagnostics.psis import _log_ratios
from pyro_favae.errors import DataError
from pyro_favae.results import Fit
from pyro_favae.results.draws import seeded
from pyro_favae.results.predictive import inferred_batches

DRAWS = 300


@pytest.fixture(scope="module")
def biases():
    """Nothing but biases to learn, of known noise and weights all but zero: q is the posterior."""
    data = {"a": 2 + np.random.default_rng(0).normal(size=(20, 3))}
    view = fv.views.Real(3, standardise="none", noise=fv.priors.FixedNoise(1.0))
    model = fv.FAVAE({"a": view}, 1, weights=fv.priors.Normal(1e10), bias_precision=1.0)
    return fv.fit(model, data, epochs=20, seed=0, progress=False, device="cpu"), data


@pytest.fixture(scope="module")
def factors():
    """Globals that are all but known: a row's q is its posterior."""
    rng = np.random.default_rng(1)
    data = {
        "a": rng.normal(size=(30, 2)) @ rng.normal(size=(2, 4)) + rng.normal(size=(30, 4)),
        "e": np.hstack([rng.normal(size=(30, 2)), 0.1 + rng.random((30, 2))]),
    }
    data["l"] = (rng.random((30, 2)) < 0.5).astype(float)
    data["a"][:3] = np.nan
    views = {
        "a": fv.views.Real(4),
        "e": fv.views.Frozen(2, variances=True),
        "l": fv.views.Bernoulli(2),
    }
    fit = fv.fit(fv.FAVAE(views, 2, factors=fv.priors.Mixture(2)), data, epochs=20, seed=0, progress=False)
    return fit, data


def changed(fit, change):
    """The fit with its views' posteriors changed."""
    other = Fit(deepcopy(fit.guide), fit.history, fit.ended_by)
    for view in other.posterior.views:
        change(view)
    return other


def test_a_posterior_that_is_exact(biases):
    found = psis(*biases, draws=DRAWS, seed=0)
    assert found.shared < 0.5
    assert found.everything < 0.5
    assert (found.rows < 0.5).all()
    assert found.good_rows == 1
    assert "good" in repr(found)
    assert "too large" not in repr(found)


def test_ratios_are_the_evidence_where_q_is_exact_and_the_bound_on_average(biases, factors):
    fit, data = biases
    batches = list(inferred_batches(fit.guide, prepare(fit.declaration, data)))
    with torch.no_grad():
        ratios = [_log_ratios(fit.guide, batches) for _ in range(5)]
    assert [one.shared + one.rows.sum() for one in ratios] == pytest.approx([fit.elbo] * 5, abs=0.01)
    rows = {"a": factors[1]["a"][3:]}
    noisy = fv.fit(
        fv.FAVAE({"a": fv.views.Real(4)}, 2), rows, epochs=60, tolerance=1e-9, seed=0, progress=False
    )
    batches = list(inferred_batches(noisy.guide, prepare(noisy.declaration, rows)))
    with torch.no_grad(), seeded(noisy.guide, 0):
        ratios = [_log_ratios(noisy.guide, batches) for _ in range(200)]
    totals = np.array([one.shared + one.rows.sum() for one in ratios])
    assert abs(totals.mean() - noisy.elbo) < 4 * totals.std() / np.sqrt(200) + 1e-3


def test_one_that_is_far_too_narrow(biases):
    fit, data = biases
    narrow = changed(fit, lambda view: view.weights_covariance.mul_(0.1))
    found = psis(narrow, data, draws=DRAWS, seed=0)
    assert found.shared > 0.7
    assert found.everything > 0.7
    assert "too large" in repr(found)


def certain(view):
    view.weights_covariance.mul_(1e-12)
    view.noise.rate.mul_(1e12 / view.noise.shape)
    view.noise.shape.fill_(1e12)


def test_rows_given_known_globals(factors):
    fit, data = factors
    real = {"a": data["a"][3:]}
    views = {"a": fv.views.Real(4)}
    known = changed(fv.fit(fv.FAVAE(views, 2), real, epochs=20, seed=0, progress=False), certain)
    found = psis(known, real, draws=DRAWS, seed=0)
    assert (found.rows < 0.5).all()


def test_rows_whose_globals_are_anyones_guess(factors):
    fit, data = factors
    real = {"a": data["a"][3:]}
    learnt = fv.fit(fv.FAVAE({"a": fv.views.Real(4)}, 2), real, epochs=20, seed=0, progress=False)
    vague = changed(learnt, lambda view: view.weights_covariance.copy_(3 * torch.eye(3)[None]))
    found = psis(vague, real, draws=DRAWS, seed=0)
    assert found.rows.median() > 0.7
    assert found.good_rows < 0.5


def test_every_kind_of_view_and_rows_without_any(factors):
    fit, data = factors
    found = psis(fit, data, draws=100, seed=0)
    assert len(found.rows) == 30
    assert found.rows.notna().all()
    assert found.threshold == pytest.approx(0.5)


def test_a_seed_repeats_it(biases):
    first, again = (psis(*biases, draws=100, seed=1) for _ in range(2))
    assert first.rows.equals(again.rows)
    assert first.everything == again.everything


def test_other_rows_have_another_posterior(biases):
    fit, data = biases
    with pytest.raises(DataError, match="5 rows, expected the 20"):
        psis(fit, {"a": data["a"][:5]})
    with pytest.raises(DataError, match="at least 100"):
        psis(fit, data, draws=50)


def test_shapes_of_known_tails():
    """Ratios 1 / U^k have a Pareto tail of shape k."""
    uniform = np.random.default_rng(0).random((20, 4000))
    for k in (0.3, 0.9):
        assert pareto_shape(-k * np.log(uniform)).mean() == pytest.approx(k, abs=0.1)
    assert pareto_shape(np.full((2, 200), 3.0)).tolist() == [-np.inf, -np.inf]
    assert pareto_shape(np.where(np.arange(200) == 0, np.inf, 0.0)) == np.inf
    assert [largest_shape(n) for n in (100, 10**6)] == [0.5, 0.7]
