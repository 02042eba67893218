import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from pyro_favae.errors import DataError, SpecError


def test_held_out_real_views_are_predicted_in_the_users_units(linear):
    predicted = linear.fit.predict("table", {"named": linear.test["named"]})
    error = linear.test["table"] - predicted.mean
    explained = (
        1 - np.square(error).sum() / np.square(linear.test["table"] - linear.test["table"].mean(0)).sum()
    )
    ceiling = LinearRegression().fit(linear.learn["named"][20:], linear.learn["table"][20:])
    assert explained > ceiling.score(linear.test["named"], linear.test["table"]) - 0.02
    covered = (np.abs(error) < 1.96 * predicted.sd).mean()
    # 600 correlated entries: about 100 rows' worth of independent ones
    assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 100)


def test_draws_have_the_predictive_moments(linear):
    predicted = linear.fit.predict("table", {"labels": linear.test["labels"][:3]}, n_draws=4000, seed=0)
    standard_error = predicted.sd / np.sqrt(4000)
    assert np.all(np.abs(predicted.draws.mean(0) - predicted.mean) < 5 * standard_error)
    np.testing.assert_allclose(predicted.draws.std(0), predicted.sd, rtol=0.1)


def test_probabilities_are_those_of_drawn_labels(linear):
    predicted = linear.fit.predict("labels", {"table": linear.test["table"][:5]}, n_draws=4000, seed=0)
    assert set(np.unique(predicted.draws)) <= {0.0, 1.0}
    standard_error = np.sqrt(0.25 / 4000)
    assert np.all(np.abs(predicted.draws.mean(0) - predicted.mean) < 5 * standard_error)


def test_labels_are_predicted_from_other_views(linear):
    probability = linear.fit.predict(
        "labels", {"table": linear.test["table"], "named": linear.test["named"]}
    ).mean
    accuracy = ((probability > 0.5) == linear.test["labels"]).mean()
    ceiling = 0.80  # labels are drawn from logits: their own noise leaves about this
    assert accuracy > ceiling - 0.05


def test_more_views_leave_less_uncertainty(linear):
    one = linear.fit.transform({"named": linear.test["named"]})
    both = linear.fit.transform({"named": linear.test["named"], "table": linear.test["table"]})
    assert np.all(both.sd <= one.sd + 1e-12)
    assert both.sd.mean() < 0.9 * one.sd.mean()
    np.testing.assert_allclose(np.diagonal(one.covariance, axis1=1, axis2=2), one.sd**2)


def test_a_row_of_which_nothing_is_known_is_the_prior(linear):
    rows = {"named": np.full((2, 3), np.nan)}
    factors = linear.fit.transform(rows)
    np.testing.assert_allclose(factors.mean, 0, atol=1e-12)
    np.testing.assert_allclose(factors.sd, 1, atol=1e-12)


def test_views_drawn_together_share_their_factors(linear):
    drawn = linear.fit.generate(["table", "named"], n=3000, seed=0)
    table, named = drawn["table"][:, 0], drawn["named"][:, 0]
    assert table.shape == (3000, 6)
    learnt = linear.learn
    rows = ~np.isnan(learnt["table"]).any(1)
    seen = np.corrcoef(learnt["table"][rows].T, learnt["named"][rows].T)[:6, 6:]
    np.testing.assert_allclose(np.corrcoef(table.T, named.T)[:6, 6:], seen, atol=0.1)


def test_draws_repeat_with_a_seed(digits):
    given = {"attributes": digits.attributes[:2]}
    first, again, other = (digits.fit.generate("digit", given, n=3, seed=s) for s in (1, 1, 2))
    assert first.shape == (3, 2, 1, 8, 8)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_a_single_row_may_be_given_bare(digits):
    row = digits.attributes[0]
    np.testing.assert_array_equal(
        digits.fit.generate("digit", {"attributes": row}, seed=0),
        digits.fit.generate("digit", {"attributes": row[None]}, seed=0),
    )


def test_attributes_are_read_off_held_out_images(digits):
    predicted = digits.fit.predict("attributes", {"digit": digits.images}).mean
    baseline = np.maximum(digits.attributes.mean(0), 1 - digits.attributes.mean(0)).mean()
    assert ((predicted > 0.5) == digits.attributes).mean() > baseline + 0.15


def test_imputing_fills_missing_rows_only(linear):
    filled = linear.fit.impute(linear.learn)
    missing = np.isnan(linear.learn["table"]).any(1)
    np.testing.assert_array_equal(filled["table"][~missing], linear.learn["table"][~missing])
    expected = linear.fit.predict(
        "table", {name: linear.learn[name][missing] for name in ("named", "labels")}
    )
    np.testing.assert_allclose(filled["table"][missing], expected.mean)
    labels = filled["labels"][20:40]
    assert np.all((labels > 0) & (labels < 1))


def test_weights_are_in_the_users_units(linear):
    weights = linear.fit.weights("table")
    assert weights.shape == (6, 4)
    rows = ~np.isnan(linear.learn["table"]).any(1)
    covariance = np.cov(linear.learn["table"][rows].T, ddof=0)
    modelled = weights @ weights.T
    off = ~np.eye(6, dtype=bool)
    np.testing.assert_allclose(modelled[off], covariance[off], atol=0.1 * np.abs(covariance).max())


@pytest.mark.parametrize("call", ["predict", "generate", "reconstruct", "weights", "traverse"])
def test_an_unknown_view_is_named(linear, call):
    arguments = {"predict": [{}], "reconstruct": [np.zeros((1, 3))]}.get(call, [])
    with pytest.raises(DataError, match="unknown view 'spectrum'"):
        getattr(linear.fit, call)("spectrum", *arguments)


def test_nothing_given_is_an_error(linear):
    with pytest.raises(DataError, match="nothing given"):
        linear.fit.predict("table", {})


def test_no_draws_is_an_error(linear):
    with pytest.raises(SpecError, match="n is 0"):
        linear.fit.generate("table", n=0)
