"""A fit in ArviZ."""

import arviz
import numpy as np
import pytest

import pyro_favae as fv

NAMES = ("height", "weight", "age")


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(200, 2))
    data = {
        "table": 10 + 5 * factors @ rng.normal(size=(2, 3)) + rng.normal(size=(200, 3)),
        "labels": (factors @ rng.normal(size=(2, 2)) > 0).astype(float),
    }
    model = fv.FAVAE(
        {
            "table": fv.views.Real(NAMES, noise=fv.priors.Gamma(2, 2, per_feature=True)),
            "labels": fv.views.Bernoulli(2),
        },
        3,
        factors=fv.priors.Mixture(2),
    )
    return fv.fit(model, data, epochs=20, seed=0, progress=False)


def test_draws_have_names_and_the_users_units(fit):
    posterior = fv.to_arviz(fit, draws=500, seed=0)["posterior"]
    weights = posterior["table.weights"]
    assert weights.dims == ("chain", "draw", "table.feature", "factor")
    assert list(weights.coords["table.feature"].values) == list(NAMES)
    q = fit.posterior.view("table").weights
    unit = fit.model.emission("table").unit.numpy()
    sd = q.variance.sqrt().numpy()[:, :-1] * unit[:, None]
    error = weights.mean(("chain", "draw")).values - fit.weights("table")
    assert np.all(np.abs(error) < 5 * sd / np.sqrt(500))
    assert posterior["table.bias"].mean() == pytest.approx(10, abs=2)
    assert posterior["table.noise_precision"].dims == ("chain", "draw", "table.feature")
    assert posterior["labels.noise_precision"].dims == ("chain", "draw")
    assert posterior["component_means"].dims == ("chain", "draw", "component", "factor")


def test_groups_have_names():
    rng = np.random.default_rng(0)
    prior = fv.priors.Grouped(("ours", "theirs"), column="batch")
    data = {"table": rng.normal(size=(40, 3)), "batch": rng.choice(prior.groups, size=40)}
    fit = fv.fit(
        fv.FAVAE({"table": fv.views.Real(3)}, 2, factors=prior), data, epochs=5, seed=0, progress=False
    )
    posterior = fv.to_arviz(fit, draws=400, seed=0)["posterior"]
    assert "groups" not in posterior
    for name in ("group_means", "group_precisions"):
        assert posterior[name].dims == ("chain", "draw", "group", "factor")
        assert list(posterior[name].coords["group"].values) == ["ours", "theirs"]
    q = fit.posterior.factors
    error = posterior["group_means"].mean(("chain", "draw")).values - q.means.numpy()
    sd = q.covariance.diagonal(dim1=-2, dim2=-1).sqrt().numpy()
    assert np.all(np.abs(error) < 5 * sd / np.sqrt(400))


def test_a_summary_runs_on_it(fit):
    summary = arviz.summary(fv.to_arviz(fit, draws=50, seed=0), var_names=["table.bias"], kind="stats")
    assert list(summary.index) == [f"table.bias[{name}]" for name in NAMES]


def test_draws_repeat_with_a_seed(fit):
    first, again = (fv.to_arviz(fit, draws=5, seed=3)["posterior"]["labels.weights"].values for _ in range(2))
    np.testing.assert_array_equal(first, again)
