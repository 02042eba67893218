"""Data that nobody would choose: the bound stays finite and never falls, and predictions stay finite."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pyro_favae as fv
from pyro_favae.errors import FavaeError
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Real

#: more factors than rows or latent dimensions, on purpose; that it warns is tested beside declarations
pytestmark = pytest.mark.filterwarnings("ignore::pyro_favae.errors.SpecWarning")

N = 40


def simulated(n: int = N, seed: int = 0) -> dict[str, np.ndarray]:
    """Two tables of the same two factors, four labels and one of four classes."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2))
    logits = 2 * factors @ rng.normal(size=(2, 4))
    return {
        "x": factors @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(n, 4)),
        "y": factors @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(n, 3)),
        "labels": (logits + rng.logistic(size=(n, 4)) > 0).astype(float),
        "class": (factors[:, 0] > 0) + 2.0 * (factors[:, 1] > 0),
    }


DATA = simulated()


def fit(views: Mapping, data: Mapping, n_factors: int = 3, epochs: int = 12, **options) -> fv.Fit:
    model = fv.FAVAE(views, n_factors, **options)
    return fv.fit(model, data, epochs=epochs, tolerance=1e-10, seed=0, progress=False, device="cpu")


def assert_sound(result: fv.Fit, data: Mapping) -> None:
    """A finite bound that never fell, finite predictions of every view from every view, true covariances."""
    elbo = result.history["elbo"].to_numpy()
    assert np.isfinite(elbo).all()
    falls = elbo[:-1] - elbo[1:] - 1e-9 * np.abs(elbo[1:])
    assert (falls <= 0).all(), f"the bound falls by {falls.max():.3g} nats of {elbo[falls.argmax()]:.6g}"
    for name in data:
        for given_ in ({other: data[other]} for other in data):
            predicted = result.predict(name, given_, n_draws=2, seed=0)
            assert np.isfinite(predicted.mean).all()
            assert not np.isnan(predicted.sd).any()  # infinite where nothing is known of the noise
            assert not np.isnan(predicted.draws).any()
    assert not any(np.isnan(filled).any() for filled in result.impute(data).values())
    for view in result.posterior.views:
        assert torch.linalg.eigvalsh(view.weights.covariance).min() > 0
        assert (1 / view.noise.mean).min() > 0
    assert np.linalg.eigvalsh(result.transform(data).covariance).min() > 0


def changed(name: str, change, **others) -> dict[str, np.ndarray]:
    """The two tables, one of them changed."""
    data = {view: simulated()[view] for view in ("x", "y")}
    return data | {name: change(data[name].copy())} | others


def setting(place, value):
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return change


TABLES = {
    "a column of zeros": changed("x", setting(np.s_[:, 1], 0.0)),
    "a constant column": changed("x", setting(np.s_[:, 1], 0.1 + 0.2)),
    "a large constant column": changed("x", setting(np.s_[:, 1], -1e12 / 7)),
    "constant columns alone": changed("x", setting(np.s_[:], 0.3)),
    "constant tables": {"x": np.full((N, 4), 0.3), "y": np.zeros((N, 3))},
    "duplicated columns": changed("x", lambda x: x[:, [0, 0, 1, 1]]),
    "a column that is another's opposite": changed("x", lambda x: np.c_[x, -x][:, [0, 4, 1, 5]]),
    "a table twice": changed("y", lambda y: simulated()["x"][:, :3]),
    "two values alone": changed("x", np.sign),
    "an outlier": changed("x", setting((3, 1), 1e9)),
    "a far offset": changed("x", lambda x: x + 1e9),
    "columns on mixed scales": changed("x", lambda x: x * [1e-12, 1e-3, 1e5, 1e12]),
    "rows missing everywhere": changed(
        "x", setting(np.s_[:5], np.nan), y=setting(np.s_[:5], np.nan)(simulated()["y"])
    ),
    "no row with both": changed(
        "x", setting(np.s_[:20], np.nan), y=setting(np.s_[20:], np.nan)(simulated()["y"])
    ),
    "a column never seen": changed("x", setting(np.s_[:, 2], np.nan)),
    "a column seen once": changed("x", setting(np.s_[1:, 2], np.nan)),
    "one entry alone": changed("x", lambda x: np.where(np.arange(4 * N).reshape(N, 4) == 9, x, np.nan)),
    "one entry a row": changed("x", lambda x: np.where(np.arange(4) == np.arange(N)[:, None] % 4, x, np.nan)),
    "one row": {name: simulated()[name][:1] for name in ("x", "y")},
    "two rows": {name: simulated()[name][:2] for name in ("x", "y")},
    "two equal rows": {name: simulated()[name][[0, 0]] for name in ("x", "y")},
    "fewer rows than columns": {
        "x": np.random.default_rng(0).normal(size=(5, 50)),
        "y": simulated()["y"][:5],
    },
    "one column each": {name: simulated()[name][:, :1] for name in ("x", "y")},
    "one number": {"x": np.array([[0.7]])},
}


@pytest.mark.parametrize(
    ("standardise", "per_feature"), [("view", False), ("feature", True)], ids=["by view", "by feature"]
)
@pytest.mark.parametrize("case", TABLES)
def test_tables(case, standardise, per_feature):
    data = TABLES[case]
    views = {name: Real(values.shape[1], standardise=standardise) for name, values in data.items()}
    assert_sound(fit(views, data, noise=fv.priors.Gamma(per_feature=per_feature)), data)


@pytest.mark.parametrize("case", ["one row", "fewer rows than columns", "a constant column", "one number"])
def test_more_factors_than_rows(case):
    data = TABLES[case]
    views = {name: Real(values.shape[1]) for name, values in data.items()}
    assert_sound(fit(views, data, n_factors=60, epochs=5), data)


@pytest.mark.parametrize("standardise", ["view", "feature"])
@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_a_scale_changes_the_units_and_nothing_else(scale, standardise):
    views = {name: Real(d, standardise=standardise) for name, d in (("x", 4), ("y", 3))}
    data = changed("x", lambda x: x)
    one, other = fit(views, data), fit(views, data | {"x": scale * data["x"]})
    assert_sound(other, data | {"x": scale * data["x"]})
    assert other.elbo == pytest.approx(one.elbo - data["x"].size * np.log(scale), rel=1e-6)
    expected = scale * one.predict("x", {"y": data["y"]}).mean
    np.testing.assert_allclose(
        other.predict("x", {"y": data["y"]}).mean, expected, rtol=1e-4, atol=1e-4 * scale
    )


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_scales_that_are_left_as_they_are(scale):
    views = {"x": Real(4, standardise="none"), "y": Real(3, standardise="none")}
    data = changed("x", lambda x: scale * x)
    assert_sound(fit(views, data), data)


UNTAMED = {
    "columns on mixed scales": TABLES["columns on mixed scales"]["x"],
    "a spread that its mean drowns": 1e6 + 1e-6 * DATA["x"],
}


@pytest.mark.parametrize("case", UNTAMED)
def test_what_cannot_be_told_in_double_precision_is_refused(case):
    views, data = {"x": Real(4, standardise="none"), "y": Real(3)}, {"x": UNTAMED[case], "y": DATA["y"]}
    try:
        assert_sound(fit(views, data, epochs=30), data)
        message = "view 'x' is well"
    except FavaeError as error:
        message = str(error)
    assert "view 'x'" in message


def test_constant_columns_that_are_left_as_they_are():
    data = {"x": np.repeat(simulated(100)["x"], 50, 0)}  # many rows, whose mean is rounded
    data["x"][:, 1] = 0.1
    assert_sound(fit({"x": Real(4, standardise="none")}, data), data)


def test_nearly_certain_embeddings_that_are_left_as_they_are():
    variance = 1e-9 * np.random.default_rng(0).gamma(2.0, size=(N, 4))
    data = {"embedding": np.hstack([DATA["x"], variance])}
    assert_sound(fit({"embedding": Frozen(4, variances=True, standardise="none")}, data), data)


def test_rows_missing_everywhere_say_nothing():
    views = {"x": Real(4), "y": Real(3)}
    data = TABLES["rows missing everywhere"]
    part = {name: values[5:] for name, values in data.items()}
    whole, without = (fit(views, d, epochs=100) for d in (data, part))
    assert whole.elbo == pytest.approx(without.elbo, rel=1e-6)
    predicted = whole.predict("x", data).mean
    np.testing.assert_allclose(predicted[:5], np.tile(predicted[0], (5, 1)))


def hot(codes: np.ndarray) -> np.ndarray:
    return np.eye(4)[codes.astype(int)]


LABELS = {
    "separable": (Bernoulli(2), (DATA["x"][:, :2] > 0).astype(float)),
    "one-hot": (Bernoulli(4), hot(DATA["class"])),
    "all one": (Bernoulli(3), np.ones((N, 3))),
    "all zero": (Bernoulli(3), np.zeros((N, 3))),
    "one constant": (Bernoulli(4), setting(np.s_[:, 1], 0.0)(DATA["labels"].copy())),
    "duplicated": (Bernoulli(4), DATA["labels"][:, [0, 0, 1, 1]]),
    "opposite": (Bernoulli(2), np.c_[DATA["labels"][:, 0], 1 - DATA["labels"][:, 0]]),
    "one never seen": (Bernoulli(4), setting(np.s_[:, 2], np.nan)(DATA["labels"].copy())),
    "seen once": (Bernoulli(4), np.where(np.arange(4 * N).reshape(N, 4) == 9, DATA["labels"], np.nan)),
    "a single one": (Bernoulli(1), DATA["labels"][:, :1]),
    "separable classes": (Categorical(4), DATA["class"]),
    "a class never seen": (Categorical(6), DATA["class"]),
    "a single class": (Categorical(3), np.ones(N)),
    "a class of one row": (Categorical(2), (np.arange(N) == 7).astype(float)),
    "a class a row": (Categorical(N), np.arange(N)),
    "two classes": (Categorical(2), DATA["labels"][:, 0]),
    "one row of a class": (Categorical(3), np.where(np.arange(N) == 7, 1.0, np.nan)),
}


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "beside a table"])
@pytest.mark.parametrize("case", LABELS)
def test_labels(case, alone):
    view, labels = LABELS[case]
    views, data = {"labels": view}, {"labels": labels}
    if not alone:
        views, data = views | {"x": Real(4)}, data | {"x": DATA["x"]}
    assert_sound(fit(views, data), data)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows_of_every_kind(n):
    data = {name: values[:n] for name, values in DATA.items()}
    data["embedding"] = np.hstack([data["x"][:, :2], np.full((n, 2), 0.1)])
    views = {
        "x": Real(4),
        "y": Real(3),
        "labels": Bernoulli(4),
        "class": Categorical(4),
        "embedding": Frozen(2, variances=True),
    }
    for per_feature in (False, True):
        assert_sound(fit(views, data, n_factors=12, noise=fv.priors.Gamma(per_feature=per_feature)), data)


def test_separable_labels_are_told_apart():
    view, labels = LABELS["separable"]
    learnt = fit({"labels": view, "x": Real(4)}, {"labels": labels, "x": DATA["x"]}, epochs=100)
    assert ((learnt.predict("labels", {"x": DATA["x"]}).mean > 0.5) == labels).mean() > 0.9


@pytest.mark.parametrize("constant", [0, 1])
def test_constant_labels_are_expected_again(constant):
    data = {"labels": np.full((N, 3), float(constant)), "x": DATA["x"]}
    predicted = fit({"labels": Bernoulli(3), "x": Real(4)}, data, epochs=100).predict(
        "labels", {"x": DATA["x"]}
    )
    assert np.abs(predicted.mean - constant).max() < 0.15


def test_a_class_never_seen_is_not_expected():
    view, classes = LABELS["a class never seen"]
    data = {"class": classes, "x": DATA["x"]}
    predicted = fit({"class": view, "x": Real(4)}, data, epochs=100).predict("class", {"x": DATA["x"]}).mean
    assert predicted[:, 4:].max() < 0.1
    assert (predicted.argmax(1) == classes).mean() > 0.8


MEANS = DATA["x"]
EMBEDDINGS = {
    "nearly certain": np.hstack([MEANS, np.full_like(MEANS, 1e-12)]),
    "nothing but noise": np.hstack([MEANS, np.full_like(MEANS, 1e12)]),
    "variances on mixed scales": np.hstack([MEANS, np.tile([1e-9, 1e-3, 1e3, 1e9], (N, 1))]),
    "constant means": np.hstack([np.full_like(MEANS, 0.5), np.full_like(MEANS, 0.1)]),
    "tiny": np.hstack([1e-12 * MEANS, np.full_like(MEANS, 1e-24)]),
    "huge": np.hstack([1e12 * MEANS, np.full_like(MEANS, 1e24)]),
    "missing rows": setting(np.s_[:20], np.nan)(np.hstack([MEANS, np.full_like(MEANS, 0.1)])),
    "one row": np.where(np.arange(N)[:, None] == 7, np.hstack([MEANS, np.full_like(MEANS, 0.1)]), np.nan),
}


@pytest.mark.parametrize("standardise", ["view", "feature"])
@pytest.mark.parametrize("case", EMBEDDINGS)
def test_embeddings(case, standardise):
    views = {"embedding": Frozen(4, variances=True, standardise=standardise), "y": Real(3)}
    data = {"embedding": EMBEDDINGS[case], "y": DATA["y"]}
    assert_sound(fit(views, data), data)


def test_a_mixture_of_more_components_than_rows():
    data = {name: DATA[name][:3] for name in ("x", "labels")}
    assert_sound(fit({"x": Real(4), "labels": Bernoulli(4)}, data, factors=fv.priors.Mixture(8)), data)


# anything at all

WEIGHTS = (fv.priors.ARD, fv.priors.FeatureARD, fv.priors.Normal, fv.priors.SpikeSlab, fv.priors.Horseshoe)
PRIORS = {
    "noise": [fv.priors.Gamma(), fv.priors.Gamma(per_feature=True), fv.priors.FixedNoise(2.0)],
    "factors": [fv.priors.StandardNormal(), fv.priors.Mixture(2)],
    "weights": [*(kind() for kind in WEIGHTS), fv.priors.Custom("StudentT", df=2.0, loc=0.0, scale=0.1)],
}
KINDS = ("real", "real feature", "bernoulli", "categorical", "frozen", "frozen variances")


@st.composite
def problems(draw) -> tuple[dict, dict, int, dict]:
    """Views, data with gaps, the number of factors, and priors."""
    n = draw(st.integers(1, 25))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    factors = rng.normal(size=(n, 2))
    views, data = {}, {}
    for i, kind in enumerate(kinds):
        name, d = f"{kind}{i}", draw(st.integers(1, 6))
        latents = factors @ rng.normal(size=(2, d)) + draw(st.sampled_from([0.0, 0.5])) * rng.normal(
            size=(n, d)
        )
        views[name], values = _view(kind, latents, rng)
        entries, rows = draw(st.sampled_from([0, 0.3, 0.8])), draw(st.sampled_from([0, 0.3, 0.8]))
        if views[name].missing_entries:
            values[rng.random(values.shape) < entries] = np.nan
        values[rng.random(n) < rows] = np.nan
        if np.isnan(values).all():
            values[0] = _view(kind, latents, rng)[1][0]
        data[name] = values
    priors = {name: draw(st.sampled_from(kinds)) for name, kinds in PRIORS.items()}
    return views, data, draw(st.integers(1, 6)), priors


def _view(kind: str, latents: np.ndarray, rng: np.random.Generator) -> tuple[fv.views.View, np.ndarray]:
    d = latents.shape[1]
    if kind == "bernoulli":
        return Bernoulli(d), (latents > 0).astype(float)
    if kind == "categorical":
        return Categorical(d + 1), np.c_[latents, np.zeros(len(latents))].argmax(1).astype(float)
    if kind == "frozen":
        return Frozen(d), latents.copy()
    if kind == "frozen variances":
        return Frozen(d, variances=True), np.hstack([latents, rng.gamma(2.0, 0.3, size=latents.shape)])
    return Real(d, standardise="feature" if kind.endswith("feature") else "view"), latents.copy()


PROFILE = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


@given(problems())
@settings(max_examples=80, **PROFILE)
def test_anything_at_all(problem):
    views, data, n_factors, priors = problem
    assert_sound(fit(views, data, n_factors, epochs=8, **priors), data)


@given(problems())
@settings(max_examples=15, **PROFILE)
def test_anything_saved_and_loaded_predicts_the_same(tmp_path, problem):
    views, data, n_factors, priors = problem
    learnt = fit(views, data, n_factors, epochs=2, **priors)
    learnt.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit")
    for name in data:
        before, after = (run.predict(name, data) for run in (learnt, loaded))
        np.testing.assert_array_equal(before.mean, after.mean)
        np.testing.assert_array_equal(before.sd, after.sd)
