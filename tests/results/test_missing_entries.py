"""Rows of which part of a view is known: what is predicted from the rest, and what is left alone."""

import numpy as np
import pytest

import pyro_favae as fv

TABLES = ("table", "labels")


def missing_entries(gappy, name: str) -> np.ndarray:
    """Entries that are missing from rows that have the view."""
    missing = np.isnan(gappy.data[name])
    return missing & ~missing.all(1, keepdims=True)


def error(gappy, name: str, predicted: np.ndarray, where: np.ndarray) -> float:
    return float(np.square(predicted - gappy.truth[name])[where].mean())


def test_what_is_observed_comes_back_unchanged(gappy):
    filled = gappy.fit.impute(gappy.data)
    for name, values in gappy.data.items():
        assert filled[name].shape == values.shape
        assert np.isfinite(filled[name]).all()
        np.testing.assert_array_equal(filled[name][~np.isnan(values)], values[~np.isnan(values)])


@pytest.mark.parametrize("name", TABLES)
def test_what_is_missing_is_predicted_from_all_that_is_known_of_the_row(gappy, name):
    filled, predicted = gappy.fit.impute(gappy.data)[name], gappy.fit.predict(name, gappy.data).mean
    missing = np.isnan(gappy.data[name])
    np.testing.assert_array_equal(filled[missing], predicted[missing])


def test_an_entry_is_told_better_with_the_rest_of_its_row(gappy):
    where = missing_entries(gappy, "table")
    others = {name: values for name, values in gappy.data.items() if name != "table"}
    whole = error(gappy, "table", gappy.fit.impute(gappy.data)["table"], where)
    assert whole < 0.3 * error(gappy, "table", gappy.fit.predict("table", others).mean, where)
    marginal = np.broadcast_to(np.nanmean(gappy.data["table"], 0), where.shape)
    assert whole < 0.1 * error(gappy, "table", marginal, where)


def test_a_label_is_told_better_with_the_other_labels(gappy):
    where = missing_entries(gappy, "labels")
    given = {"embedding": gappy.data["embedding"]}
    alone = gappy.fit.predict("labels", given).mean
    together = gappy.fit.predict("labels", given | {"labels": gappy.data["labels"]}).mean
    assert error(gappy, "labels", together, where) < 0.9 * error(gappy, "labels", alone, where)


def test_a_missing_class_is_the_most_probable(gappy):
    missing = np.isnan(gappy.data["species"])
    filled = gappy.fit.impute(gappy.data)["species"]
    probability = gappy.fit.predict("species", gappy.data).mean
    np.testing.assert_array_equal(filled[missing], probability[missing].argmax(1))
    right = (filled == gappy.truth["species"])[missing].mean()
    assert right > np.bincount(gappy.truth["species"][missing].astype(int)).max() / missing.sum() + 0.15


def test_a_missing_embedding_comes_with_its_variance(gappy):
    missing = np.isnan(gappy.data["embedding"]).any(1)
    filled = gappy.fit.impute(gappy.data)["embedding"]
    predicted = gappy.fit.predict("embedding", gappy.data)
    np.testing.assert_allclose(filled[missing, :2], predicted.mean[missing])
    np.testing.assert_allclose(filled[missing, 2:], predicted.sd[missing] ** 2)
    again = gappy.fit.transform({"embedding": filled})
    assert np.isfinite(again.mean).all()


def test_a_missing_image_is_what_its_attributes_lead_to_expect(digits):
    """Its mean over draws, since a decoder's has no formula; images that are there stay."""
    images = digits.images.astype(np.float32).copy()
    images[:30] = np.nan
    data = {"digit": images, "attributes": digits.attributes}
    filled = digits.fit.impute(data)["digit"]
    np.testing.assert_array_equal(filled[30:], images[30:])
    predicted = digits.fit.predict("digit", {"attributes": digits.attributes[:30]}, n_draws=2000, seed=0)
    standard_error = predicted.draws.std(0) * np.sqrt(1 / 2000 + 1 / 64)
    assert (np.abs(filled[:30] - predicted.draws.mean(0)) < 6 * standard_error + 1e-3).all()
    np.testing.assert_allclose(predicted.sd, predicted.draws.std(0), atol=0.15)


def test_a_partly_observed_row_is_conditioned_on_by_its_observed_entries():
    """Against the textbook's formula, with the weights' uncertainty, in a model of one view."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 5)) + 0.5 * rng.normal(size=(200, 5))
    data[rng.random(data.shape) < 0.2] = np.nan
    model = fv.FAVAE({"x": fv.views.Real(5, standardise="none", noise=fv.priors.Gamma(per_feature=True))}, 3)
    fit = fv.fit(model, {"x": data}, epochs=20, seed=0, progress=False, device="cpu")
    row = np.array([0.7, np.nan, -1.2, np.nan, 2.0])
    posterior = fit.posterior.view("x")
    mean, covariance = (part.numpy() for part in posterior.weights)
    precision, linear = np.eye(3), np.zeros(3)
    for d in np.flatnonzero(~np.isnan(row)):
        second = np.outer(mean[d], mean[d]) + covariance[d]
        precision += float(posterior.noise.mean[d]) * second[:3, :3]
        linear += float(posterior.noise.mean[d]) * (mean[d, :3] * row[d] - second[:3, 3])
    found = fit.transform({"x": row})
    np.testing.assert_allclose(found.covariance[0], np.linalg.inv(precision), rtol=1e-9)
    np.testing.assert_allclose(found.mean[0], np.linalg.solve(precision, linear), rtol=1e-9)


@pytest.mark.parametrize("name", TABLES)
def test_each_entry_more_leaves_less_uncertainty(gappy, name):
    rows = gappy.truth[name][:50].copy()
    known = [gappy.fit.transform({name: rows}).sd]
    for column in range(rows.shape[1]):
        rows[:, column] = np.nan
        known.append(gappy.fit.transform({name: rows}).sd)
    means = [sd.mean() for sd in known]
    assert all(more < less for more, less in zip(means, means[1:], strict=False))
    np.testing.assert_allclose(known[-1], 1)  # nothing is left


@pytest.mark.parametrize("name", TABLES)
def test_a_whole_row_does_not_feel_that_another_lacks_an_entry(gappy, name):
    rows = gappy.truth[name][:3].copy()
    alone = gappy.fit.transform({name: rows[:2]})
    rows[2, 0] = np.nan
    beside = gappy.fit.transform({name: rows})
    np.testing.assert_allclose(beside.mean[:2], alone.mean, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(beside.covariance[:2], alone.covariance, rtol=1e-6, atol=1e-9)


def test_draws_have_the_predictive_moments(gappy):
    row = {name: gappy.truth[name][:3].copy() for name in TABLES}
    row["table"][:, [0, 2]] = np.nan
    predicted = gappy.fit.predict("table", row, n_draws=4000, seed=0)
    assert np.all(np.abs(predicted.draws.mean(0) - predicted.mean) < 5 * predicted.sd / np.sqrt(4000))
    np.testing.assert_allclose(predicted.draws.std(0), predicted.sd, rtol=0.1)


def test_classes_are_drawn_as_often_as_their_probability_says(gappy):
    predicted = gappy.fit.predict("species", {"table": gappy.truth["table"][:5]}, n_draws=4000, seed=0)
    assert predicted.draws.shape == (4000, 5)
    np.testing.assert_allclose(predicted.mean.sum(1), 1)
    frequency = np.stack([(predicted.draws == code).mean(0) for code in range(3)], 1)
    quadrature = 0.02  # of a softmax over a few hundred points
    assert (np.abs(frequency - predicted.mean) < 4 * np.sqrt(0.25 / 4000) + quadrature).all()


def test_held_out_entries_fall_within_their_predictive_intervals(gappy):
    where = missing_entries(gappy, "table")
    predicted = gappy.fit.predict("table", gappy.data)
    covered = (np.abs(predicted.mean - gappy.truth["table"]) < 1.96 * predicted.sd)[where]
    assert abs(covered.mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / len(covered))


def test_weights_that_features_do_not_share_the_uncertainty_of_are_saved(gappy, tmp_path):
    """Missing entries, and logits, leave each feature a covariance of its own."""
    gappy.fit.save(tmp_path / "gappy")
    loaded = fv.load(tmp_path / "gappy")
    for name in TABLES:
        before, after = (fit.posterior.view(name).weights for fit in (gappy.fit, loaded))
        assert len(after.covariance) == len(after.mean)
        np.testing.assert_array_equal(before.covariance, after.covariance)
    for name in gappy.data:
        for other in gappy.data:
            given = {other: gappy.data[other]}
            before, after = gappy.fit.predict(name, given), loaded.predict(name, given)
            np.testing.assert_array_equal(before.mean, after.mean)
            np.testing.assert_array_equal(before.sd, after.sd)
    filled, again = gappy.fit.impute(gappy.data), loaded.impute(gappy.data)
    for name in gappy.data:
        np.testing.assert_array_equal(filled[name], again[name])
