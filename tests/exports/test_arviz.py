"""A fit in ArviZ."""

import arviz
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError

NAMES = ("height", "weight", "age")
ARVIZ_1 = int(arviz.__version__.split(".")[0]) >= 1  # where plots and the parts of a score have new names


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


@pytest.fixture(scope="module")
def rows():
    """Two real views and a binary one of the same two factors, rows and entries missing, and a fit of them."""
    rng = np.random.default_rng(1)
    factors = rng.normal(size=(80, 2))
    data = {
        "left": 10 + 5 * factors @ rng.normal(size=(2, 4)) + rng.normal(size=(80, 4)),
        "right": factors @ rng.normal(size=(2, 3)) + rng.normal(size=(80, 3)),
        "labels": (factors @ rng.normal(size=(2, 2)) > 0).astype(float),
    }
    data["right"][:6], data["left"][9, 1] = np.nan, np.nan
    views = {"left": fv.views.Real(4), "right": fv.views.Real(3), "labels": fv.views.Bernoulli(2)}
    fit = fv.fit(fv.FAVAE(views, 2), data, epochs=20, seed=0, progress=False)
    return fit, data, fv.to_arviz(fit, data, draws=200, seed=0, local=True)


def test_groups_of_data_have_names_and_what_is_missing_is_nan(rows):
    fit, data, idata = rows
    assert idata["posterior"]["factors"].dims == ("chain", "draw", "row", "factor")
    assert idata["posterior"]["labels.latents"].dims == ("chain", "draw", "row", "labels.feature")
    for name, values in data.items():
        observed, predicted = (
            idata[group][f"{name}.data"] for group in ("observed_data", "posterior_predictive")
        )
        assert observed.dims == ("row", f"{name}.feature")
        np.testing.assert_array_equal(observed, values)
        assert predicted.shape == (1, 200, *values.shape)
        np.testing.assert_array_equal(np.isnan(predicted[0, 0]), np.isnan(values))
    assert set(np.unique(idata["posterior_predictive"]["labels.data"])) == {0.0, 1.0}
    assert idata["log_likelihood"]["right.data"].dims == ("chain", "draw", "right.row")
    assert list(idata["log_likelihood"]["right.row"].values) == list(range(6, 80))
    assert idata["log_likelihood"]["data"].shape == (1, 200, 80)
    np.testing.assert_array_equal(idata["history"]["elbo"], fit.history["elbo"])
    assert "R-hat" in idata["posterior"].attrs["sampling"]


def test_local_draws_are_the_rows_posterior(rows):
    fit, data, idata = rows
    factors = fit.transform(data)
    drawn = idata["posterior"]["factors"].values[0]
    assert np.all(np.abs(drawn.mean(0) - factors.mean) < 5 * factors.sd / np.sqrt(200))
    assert np.median(drawn.std(0) / factors.sd) == pytest.approx(1, abs=0.05)


def test_rows_drawn_anew_look_like_the_data(rows):
    fit, data, idata = rows
    predicted = idata["posterior_predictive"]["left.data"].values[0]
    low, high = np.nanquantile(predicted[:, ~np.isnan(data["left"])], [0.05, 0.95], axis=0)
    observed = data["left"][~np.isnan(data["left"])]
    assert 0.85 < np.mean((low < observed) & (observed < high)) <= 1
    noise = (
        fit.posterior.view("left").noise.mean_inverse.item() * fit.model.emission("left").unit.numpy() ** 2
    )
    assert np.all(np.nanmean(predicted.var(0), 0) > 0.8 * noise)


# what ArviZ 0.23 meets in the newest matplotlib and pandas
OF_OTHERS = [
    "ignore:Passing a dict or None as alias_mapping",
    "ignore:The inplace keyword in DataFrame",
    "ignore:Estimated shape parameter of Pareto:UserWarning",
]


@pytest.mark.filterwarnings(*OF_OTHERS)
def test_what_arviz_draws_and_sums_up(rows):
    fit, data, idata = rows
    stats = arviz.summary(idata, var_names=["left.weights"], kind="stats")
    assert len(stats) == 8
    assert arviz.summary(idata, var_names=["left.weights"], kind="stats", group="posterior").equals(stats)
    arviz.plot_forest(idata, var_names=["left.weights"], combined=True)
    if ARVIZ_1:
        arviz.plot_dist(idata, var_names=["left.noise_precision"])
        arviz.plot_ppc_dist(idata, var_names=["left.data", "right.data"], num_samples=10)
    else:
        arviz.plot_posterior(idata, var_names=["left.noise_precision"])
        arviz.plot_ppc(idata, var_names=["left.data", "right.data"], num_pp_samples=10, random_seed=0)
        arviz.plot_ppc(idata, var_names=["labels.data"], num_pp_samples=10, random_seed=0)
    plt.close("all")


@pytest.mark.filterwarnings(*OF_OTHERS)
def test_rows_are_left_out(rows):
    fit, data, idata = rows
    for name, count in (("data", 80), ("left.data", 80), ("right.data", 74)):
        loo = arviz.loo(idata, var_name=name, pointwise=True)
        assert loo["n_data_points"] == count
        assert np.isfinite(loo["elpd" if ARVIZ_1 else "elpd_loo"])
        assert loo["p" if ARVIZ_1 else "p_loo"] > 0
    worse = fv.fit(fv.FAVAE(fit.declaration.views, 1), data, epochs=20, seed=0, progress=False)
    both = {"two factors": idata, "one": fv.to_arviz(worse, data, draws=200, seed=0, predictive=False)}
    table = arviz.compare(both, var_name="data")
    assert list(table.index) == ["two factors", "one"]


def test_embeddings_with_variances_are_no_draws():
    rng = np.random.default_rng(0)
    data = {"e": np.hstack([rng.normal(size=(30, 2)), np.full((30, 2), 0.1)]), "t": rng.normal(size=(30, 3))}
    views = {"e": fv.views.Frozen(2, variances=True), "t": fv.views.Real(3)}
    fit = fv.fit(fv.FAVAE(views, 2), data, epochs=5, seed=0, progress=False)
    idata = fv.to_arviz(fit, data, draws=5, local=True, seed=0)
    assert set(idata["observed_data"]) == set(idata["posterior_predictive"]) == {"t.data"}
    assert idata["posterior"]["e.latents"].dims == ("chain", "draw", "row", "e.feature")


def test_a_mixtures_components_and_images():
    rng = np.random.default_rng(0)
    images = rng.random((20, 1, 8, 8))
    views = {"image": fv.views.Image((1, 8, 8), 2, network="dense")}
    fit = fv.fit(
        fv.FAVAE(views, 2, factors=fv.priors.Mixture(2)), {"image": images}, epochs=2, progress=False
    )
    idata = fv.to_arviz(fit, {"image": images}, draws=4, local=True, seed=0)
    assert idata["posterior"]["row_component"].shape == (1, 4, 20)
    assert idata["posterior_predictive"]["image.data"].dims[2:] == (
        "row",
        *(f"image.axis_{i}" for i in range(3)),
    )
    assert idata["log_likelihood"]["image.data"].shape == (1, 4, 20)


def test_arviz_1_has_a_tree(rows, monkeypatch):
    fit, data, idata = rows
    monkeypatch.setattr("pyro_favae.exports.arviz.version", lambda name: "1.0.0")
    tree = fv.to_arviz(fit, data, draws=4, seed=0)
    assert isinstance(tree, xarray.DataTree)
    assert set(tree.children) == {
        "posterior",
        "posterior_predictive",
        "observed_data",
        "log_likelihood",
        "history",
    }
    assert tree["posterior"]["left.weights"].dims == ("chain", "draw", "left.feature", "factor")


def test_what_cannot_be_drawn(rows):
    fit, data, _ = rows
    with pytest.raises(SpecError, match="data is None"):
        fv.to_arviz(fit, local=True)
    with pytest.raises(DataError, match="would take .* GB .*posterior_predictive"):
        fv.to_arviz(fit, data, draws=10**7)
    with pytest.raises(SpecError, match="draws is 0"):
        fv.to_arviz(fit, draws=0)
