"""Rows of two batches that differ in where they lie and how far they spread."""

from types import SimpleNamespace

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.errors import SpecError

BATCHES = ("first", "second")
SHIFT, SPREAD = 2.5, 2.0


def simulated(n: int, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Two tables of two factors: the second batch is shifted along one of them and wider along the other."""
    batch = rng.integers(0, 2, size=n)
    factors = rng.normal(size=(n, 2))
    factors[batch == 1] = factors[batch == 1] * [1, SPREAD] + [SHIFT, 0]
    loadings = np.random.default_rng(1).normal(size=(2, 14))
    values = 4 + factors @ loadings + 0.7 * rng.normal(size=(n, 14))
    return {"x": values[:, :8], "y": values[:, 8:], "batch": np.array(BATCHES)[batch]}, factors


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    data, factors = simulated(400, rng)
    views = {"x": fv.views.Real(8), "y": fv.views.Real(6)}
    options = {"epochs": 300, "tolerance": 1e-8, "seed": 0, "progress": False, "device": "cpu"}
    grouped = fv.FAVAE(views, 2, factors=fv.priors.Grouped(BATCHES, column="batch"))
    tables = {name: data[name] for name in views}
    return SimpleNamespace(
        data=data,
        factors=factors,
        test=simulated(400, rng)[0],
        fit=fv.fit(grouped, data, **options),
        plain=fv.fit(fv.FAVAE(views, 2), tables, **options),
        options=options,
    )


def test_means_and_scales_of_the_batches_are_found(batches):
    """Factors are known up to order, sign and unit: a ratio of scales, and a shift in scales of the first batch."""
    groups = batches.fit.groups
    assert list(groups.index) == list(BATCHES)
    inferred = batches.fit.transform(batches.data).mean
    correlation = np.abs(np.corrcoef(inferred.T, batches.factors.T)[:2, 2:])
    shifted, wider = correlation.argmax(0)
    assert {shifted, wider} == {0, 1}
    assert correlation.max(0).min() > 0.95
    mean, sd = groups["mean"], groups["sd"]
    ratio = sd.loc["second"] / sd.loc["first"]
    assert ratio[wider] == pytest.approx(SPREAD, rel=0.15)
    assert ratio[shifted] == pytest.approx(1, rel=0.15)
    shift = (mean.loc["second"] - mean.loc["first"]).abs() / sd.loc["first"]
    assert shift[shifted] == pytest.approx(SHIFT, rel=0.15)
    assert shift[wider] < 0.3


def test_a_few_sweeps_are_enough(batches):
    """Rotation finds the axes along which the batches differ, and the unit that only the scales' prior pins."""
    elbo = batches.fit.history["elbo"].to_numpy()
    assert elbo[min(9, len(elbo) - 1)] > elbo[-1] - 1


def test_the_unit_of_a_factor_is_a_typical_groups(batches):
    precision = (batches.fit.groups["sd"] ** -2).mean()
    np.testing.assert_allclose(precision, 1, atol=0.2)


def log_density(prediction, truth: np.ndarray) -> float:
    """Mean log density of entries, nats, given each one's Gaussian predictive distribution."""
    z = (truth - prediction.mean) / prediction.sd
    return float((-0.5 * (z**2 + np.log(2 * np.pi)) - np.log(prediction.sd)).mean())


def test_it_predicts_no_worse_than_without_groups(batches):
    """A bound that is far higher; and new rows, from one of their columns, which leaves the factors open."""
    assert batches.fit.elbo > batches.plain.elbo + 50
    x = np.full((400, 8), np.nan)
    x[:, 0] = batches.test["x"][:, 0]
    with_label = batches.fit.predict("y", {"x": x, "batch": batches.test["batch"]})
    without = batches.plain.predict("y", {"x": x})
    gain = log_density(with_label, batches.test["y"]) - log_density(without, batches.test["y"])
    print(f"held-out log density of an entry: {gain:+.3f} nats")
    assert gain > 0.03


def test_rows_without_a_label_have_the_moments_of_all_rows(batches):
    labels = batches.data["batch"]
    known = batches.fit.generate("y", {"batch": labels}, n=200, seed=0).reshape(-1, 6)
    unknown = batches.fit.generate("y", n=80_000, seed=0).reshape(-1, 6)
    scale = known.std(0)
    np.testing.assert_allclose(unknown.mean(0) / scale, known.mean(0) / scale, atol=0.03)
    np.testing.assert_allclose(np.cov(unknown.T), np.cov(known.T), atol=0.03 * scale.max() ** 2)


def test_some_labels_may_be_missing(batches):
    x = batches.test["x"][:3]
    mixed = batches.fit.transform({"x": x, "batch": ["first", None, "second"]})
    for row, label in enumerate(["first", None, "second"]):
        alone = batches.fit.transform({"x": x[row : row + 1], "batch": [label]})
        np.testing.assert_allclose(mixed.mean[row], alone.mean[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(mixed.covariance[row], alone.covariance[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mixed.mean[1], batches.fit.transform({"x": x[1:2]}).mean[0], rtol=1e-9)


def test_an_edit_moves_least_as_rows_of_any_group_differ(batches):
    """Of all moves after which a row says the same, the one of least Mahalanobis distance over both groups."""
    data = {"x": batches.data["x"], "y": batches.data["y"][:, :1], "batch": batches.data["batch"]}
    prior = fv.priors.Grouped(BATCHES, column="batch")
    model = fv.FAVAE({"x": fv.views.Real(8), "y": fv.views.Real(("told",))}, 2, factors=prior)
    fit = fv.fit(model, data, **batches.options)
    rows = batches.test["x"][:5]
    edited = fit.edit("x", rows, {"told": 5.0})
    np.testing.assert_allclose(fit.predict("y", {"x": edited}).mean, 5, atol=1e-6)

    weights, factors = fit.weights("x"), np.linalg.inv(fit.posterior.factors.prior_precision[-1].numpy())
    noise = fit.posterior.view("x").noise.mean_inverse * fit.model.emission("x").unit.square()
    covariance = weights @ factors @ weights.T + np.diag(noise.numpy())
    said = fit.predict("y", {"x": np.vstack([rows[:1], rows[:1] + np.eye(8)])}).mean[:, 0]
    direction = covariance @ (said[1:] - said[0])
    along = (edited - rows) @ direction / np.square(direction).sum()
    np.testing.assert_allclose(edited - rows, along[:, None] * direction, atol=0.02)


def test_a_saved_fit_keeps_its_groups(batches, tmp_path):
    batches.fit.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit")
    assert loaded.groups.equals(batches.fit.groups)
    given = {"x": batches.test["x"][:5], "batch": list(batches.test["batch"][:4]) + [None]}
    np.testing.assert_array_equal(loaded.predict("y", given).mean, batches.fit.predict("y", given).mean)


def test_missing_entries_are_filled_with_the_groups_in_mind(batches):
    data = {name: values[:10].copy() for name, values in batches.data.items()}
    data["y"][:5] = np.nan
    filled = batches.fit.impute(data)
    expected = batches.fit.predict("y", {name: data[name] for name in ("x", "batch")}).mean
    np.testing.assert_allclose(filled["y"][:5], expected[:5], rtol=1e-9)


def test_one_group_is_nearly_no_group(batches):
    model = fv.FAVAE(batches.plain.declaration.views, 2, factors=fv.priors.Grouped(("all",), column="batch"))
    fit = fv.fit(model, batches.data | {"batch": ["all"] * 400}, **batches.options)
    np.testing.assert_allclose(fit.groups["mean"], 0, atol=0.02)
    np.testing.assert_allclose(fit.groups["sd"], 1, atol=0.15)
    plain, one = (f.predict("y", {"x": batches.test["x"]}) for f in (batches.plain, fit))
    np.testing.assert_allclose(one.mean, plain.mean, atol=0.01 * plain.mean.std())
    np.testing.assert_allclose(one.sd, plain.sd, rtol=0.01)


def test_a_stochastic_fit_finds_the_same_groups(batches):
    options = batches.options | {"schedule": "stochastic", "batch_size": 50, "epochs": 60}
    fit = fv.fit(batches.fit.declaration, batches.data, **options)
    np.testing.assert_allclose(fit.groups["sd"], batches.fit.groups["sd"], rtol=0.1)
    np.testing.assert_allclose(fit.groups["mean"].abs(), batches.fit.groups["mean"].abs(), atol=0.15)


def test_encoder_views_see_the_groups(batches):
    rng = np.random.default_rng(0)
    images = rng.random((400, 1, 4, 4)).astype(np.float32)
    views = {"image": fv.views.Image((1, 4, 4), 2, network="dense"), "x": fv.views.Real(8)}
    model = fv.FAVAE(views, 2, factors=fv.priors.Grouped(BATCHES, column="batch"))
    data = {"image": images, "x": batches.data["x"], "batch": batches.data["batch"]}
    fit = fv.fit(model, data, epochs=6, batch_size=50, seed=0, progress=False, device="cpu")
    assert np.isfinite(fit.history["elbo"]).all()
    mean = fit.groups["mean"]
    assert (mean.loc["second"] - mean.loc["first"]).abs().max() > 1


@pytest.mark.parametrize("shape", [0.01, 5.0])
def test_groups_of_one_row_or_none_are_sound(batches, shape):
    """Nearly flat priors of the scales too."""
    names = tuple(f"row {n}" for n in range(30))
    data = {name: values[:30] for name, values in batches.data.items()} | {"batch": names}
    prior = fv.priors.Grouped((*names, "empty"), column="batch", shape=shape, rate=shape)
    fit = fv.fit(fv.FAVAE(batches.plain.declaration.views, 3, factors=prior), data, **batches.options)
    elbo = fit.history["elbo"].to_numpy()
    assert np.isfinite(elbo).all()
    assert np.diff(elbo).min() > -1e-9 * abs(elbo[-1])
    assert np.isfinite(fit.groups).all(axis=None)
    for given in ({"batch": ["row 3", "empty"]}, {"x": data["x"]}, {"x": data["x"], "batch": names}):
        prediction = fit.predict("y", given)
        assert np.isfinite(prediction.mean).all()
        assert (prediction.sd > 0).all()


def test_other_priors_have_no_groups(batches):
    with pytest.raises(SpecError, match="StandardNormal has no groups"):
        _ = batches.plain.groups
