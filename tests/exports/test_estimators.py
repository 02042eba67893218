import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import pyro_favae as fv
from pyro_favae.errors import SpecError

QUICK = {"n_factors": 3, "epochs": 5, "device": "cpu", "random_state": 0}
KINDS = [fv.FactorAnalysis, fv.FactorRegressor, fv.FactorClassifier]


@pytest.mark.slow
@parametrize_with_checks([kind(**QUICK) for kind in KINDS])
def test_scikit_learns_own_checks(estimator, check):
    """None is expected to fail."""
    check(estimator)


@pytest.fixture(scope="module")
def table():
    """Three factors behind twelve columns in units of ten, and what follows from them."""
    rng = np.random.default_rng(0)
    g = rng.normal(size=(240, 3))
    X = 100 + 10 * (g @ rng.normal(size=(3, 12)) + 0.5 * rng.normal(size=(240, 12)))
    y = 5 + 2 * g[:, 0] + 0.3 * rng.normal(size=240)
    return X, y, np.array(["low", "high"])[(y > 5).astype(int)]


@pytest.fixture(scope="module")
def analysis(table):
    return fv.FactorAnalysis(3, epochs=40, random_state=0, device="cpu").fit(table[0][:200])


def test_the_score_is_the_density_of_what_is_observed(analysis, table):
    rows = table[0][200:206].copy()
    rows[0, 3] = np.nan
    rows[1, 1:] = np.nan
    rows[2] = np.nan
    W = analysis.components_
    covariance = W.T @ W + np.diag(analysis.noise_variance_)
    expected = []
    for row in rows:
        o = ~np.isnan(row)
        density = (
            multivariate_normal(analysis.mean_[o], covariance[np.ix_(o, o)]).logpdf(row[o]) if o.any() else 0
        )
        expected.append(density)
    np.testing.assert_allclose(analysis.score_samples(rows), expected, rtol=1e-9, atol=1e-9)
    assert analysis.score(rows) == pytest.approx(np.mean(expected))


def test_held_out_rows_are_as_likely_as_under_the_truth_nearly(analysis, table):
    X = table[0]
    gaussian = multivariate_normal(X[:200].mean(0), np.cov(X[:200].T))
    assert analysis.score(X[200:]) > gaussian.logpdf(X[200:]).mean()


def test_rows_come_back_from_their_factors(analysis, table):
    X = table[0][200:]
    factors = analysis.transform(X)
    assert factors.shape == (40, 3)
    back = analysis.inverse_transform(factors)
    assert np.square(X - back).sum() < 0.2 * np.square(X - X.mean(0)).sum()
    np.testing.assert_allclose(factors, analysis.fit_.transform({"X": X}).mean)
    with pytest.raises(ValueError, match="2 factors, expected 3"):
        analysis.inverse_transform(factors[:, :2])


def test_views_are_columns(table):
    X, y, _ = table
    frame = pd.DataFrame(X, columns=[f"{'ab'[i % 2]}{i}" for i in range(12)])
    named = {"a": [f"a{i}" for i in range(0, 12, 2)], "b": [f"b{i}" for i in range(1, 12, 2)]}
    one = fv.FactorAnalysis(views=named, **QUICK).set_output(transform="pandas").fit(frame)
    assert one.fit_.declaration.views["b"].feature_names == tuple(named["b"])
    assert list(one.transform(frame[:3]).columns) == ["factor0", "factor1", "factor2"]
    places = {"a": slice(0, None, 2), "b": np.arange(12) % 2 == 1}
    other = fv.FactorAnalysis(views=places, **QUICK).fit(X)
    np.testing.assert_allclose(one.transform(frame).to_numpy(), other.transform(X))
    np.testing.assert_allclose(one.inverse_transform(other.transform(X)).shape, X.shape)
    assert fv.FactorRegressor(views=places, **QUICK).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ({"a": slice(0, 6)}, "column 6 is in 0 views"),
        ({"a": slice(0, 8), "b": slice(6, 12)}, "column 6 is in 2 views"),
        ({"a": ["mass"]}, "'mass'"),
        ({"a": [99]}, "for 12 columns"),
        ({"y": slice(None)}, "'y' is the name of the target"),
    ],
)
def test_views_that_are_no_parts_of_the_table(table, views, message):
    with pytest.raises(SpecError, match=message):
        fv.FactorAnalysis(views=views, **QUICK).fit(table[0])


def test_targets_with_their_uncertainty(table):
    """Half of the targets are missing, and a tenth of the entries."""
    X, y, _ = table
    X, known = X.copy(), y.copy()
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    known[:100] = np.nan
    model = fv.FactorRegressor(4, epochs=60, random_state=0, device="cpu").fit(X[:200], known[:200])
    mean, sd = model.predict(X[200:], return_std=True)
    assert model.score(X[200:], y[200:]) > 0.8
    assert 0.8 <= np.mean(np.abs(mean - y[200:]) < 1.96 * sd) <= 1
    two = fv.FactorRegressor(**QUICK).fit(X, np.column_stack([y, -y]))
    assert two.predict(X[:5]).shape == (5, 2)


def test_classes_with_probabilities(table):
    X, _, labels = table
    model = make_pipeline(StandardScaler(), fv.FactorClassifier(4, epochs=30, random_state=0, device="cpu"))
    model.fit(X[:200], labels[:200])
    probabilities = model.predict_proba(X[200:])
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert model.score(X[200:], labels[200:]) > 0.8
    assert set(model.predict(X)) == {"low", "high"}
    with pytest.raises(ValueError, match="1 class"):
        fv.FactorClassifier(**QUICK).fit(X, np.ones(240))


def test_it_is_a_parameterised_estimator(table):
    X, y, _ = table
    model = fv.FactorRegressor(
        n_factors=3, weights=fv.priors.SpikeSlab(), epochs=5, random_state=0, device="cpu"
    )
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(n_factors=2).get_params()["n_factors"] == 2
    assert cross_val_score(model, X, y, cv=2).shape == (2,)
    with pytest.raises(ValueError, match="n_factors"):
        fv.FactorAnalysis(0).fit(X)
