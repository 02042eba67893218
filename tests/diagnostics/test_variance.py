import numpy as np
import pandas as pd
import pytest
import torch

import pyro_favae as fv
from pyro_favae.diagnostics import total_variance_explained, variance_explained
from pyro_favae.errors import DataError, SpecError
from tests.diagnostics import simulated
from tests.diagnostics.simulated import USES

LOGISTIC = np.pi**2 / 3  # variance of the standard logistic distribution


def share(values, explained):
    """1 − SSE / SST of (n, D) arrays, both centred."""
    values, explained = values - values.mean(0), explained - explained.mean(0)
    return 1 - np.square(values - explained).sum() / np.square(values).sum()


def test_it_recovers_what_the_true_factors_explain(fit, simulation):
    found = variance_explained(fit, simulation.data)
    roles = {tuple(column): factor for factor, column in fit.active.astype(int).items()}
    for name, values in simulation.data.items():
        seen = ~np.isnan(values[:, 0])
        for true, used in enumerate(zip(*USES.values(), strict=True)):
            expected = share(values[seen], simulation.parts[name][true][seen])
            assert found.loc[name, roles[used]] == pytest.approx(expected, abs=0.02)
        total = share(values[seen], simulation.parts[name].sum(0)[seen])
        assert found.attrs["total"][name] == pytest.approx(total, abs=0.01)


def test_it_is_the_formula_over_the_observed_rows_however_they_are_cut(fit, simulation):
    found = variance_explained(fit, simulation.data)
    factors = fit.transform(simulation.data).mean
    assert len(factors) > 512  # more than one chunk
    for name, values in simulation.data.items():
        seen = ~np.isnan(values[:, 0])
        weights = fit.weights(name)
        z, g = (array[seen] - array[seen].mean(0) for array in (values, factors))
        rest = 2 * z - g @ weights.T
        shares = [
            (np.outer(g[:, k], weights[:, k]) * rest).sum() / (z**2).sum() for k in range(len(weights.T))
        ]
        np.testing.assert_allclose(found.loc[name], shares, rtol=0, atol=1e-10)
        assert sum(shares) == pytest.approx(found.attrs["total"][name], abs=1e-10)
        assert found.attrs["total"][name] == pytest.approx(
            share(values[seen], factors[seen] @ weights.T), abs=1e-10
        )


def test_views_by_factors_and_the_totals(fit, simulation):
    found = variance_explained(fit, simulation.data)
    total = total_variance_explained(fit, simulation.data)
    assert found.shape == (2, 6)
    assert list(found.index) == list(fit.posterior.names)
    pd.testing.assert_series_equal(total, pd.Series(found.attrs["total"], name="total").rename_axis("view"))
    assert (total <= 1).all()
    assert (found <= 1).all().all()
    assert (total > 0.8).all()


def test_a_far_offset_changes_nothing(simulation):
    one = {"left": simulation.data["left"]}
    far = {"left": simulation.data["left"] + 1e6}
    model = fv.FAVAE({"left": fv.views.Real(30)}, 3)
    shares = [
        variance_explained(fv.fit(model, data, epochs=20, seed=0, progress=False), data)
        for data in (one, far)
    ]
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-6)


def test_a_binary_view_is_read_on_its_logits(rng):
    data = {"labels": (rng.normal(size=(80, 1)) + 0.1 * rng.normal(size=(80, 4)) > 0).astype(float)}
    model = fv.FAVAE({"labels": fv.views.Bernoulli(4)}, 2, noise=fv.priors.Gamma(2, 2))
    fit = fv.fit(model, data, epochs=20, seed=0, progress=False)
    with torch.no_grad():
        values = torch.as_tensor(data["labels"])
        rows = fit.guide.infer(fit.guide.view_rows({"labels": values}), 80)
        logits = rows.views[0].latent_means(rows).numpy()
    squares = np.square(logits - logits.mean(0)).sum()
    of_logits = share(logits, rows.factors.numpy() @ fit.weights("labels").T)
    expected = of_logits * squares / (squares + logits.size * LOGISTIC)
    total = total_variance_explained(fit, data)["labels"]
    assert total == pytest.approx(expected, abs=1e-10)
    assert total < 1


def by_the_formula(z, g, weights, link=0.0):
    """Shares of factors, each feature's sums over the rows where it is observed; z (n, D) is NaN where not.

    link: variance that each observed entry has besides.
    """
    shares, total = np.zeros(weights.shape[1]), 0.0
    for d, w in enumerate(weights):
        seen = ~np.isnan(z[:, d])
        centred, factors = z[seen, d] - z[seen, d].mean(), g[seen] - g[seen].mean(0)
        shares += w * (factors.T @ (2 * centred - factors @ w))
        total += (centred**2 + link).sum()
    return shares / total


def with_gaps(values, rng):
    """A fifth of the entries and a tenth of the rows gone."""
    values = values.copy()
    values[rng.random(values.shape) < 0.2] = np.nan
    values[rng.random(len(values)) < 0.1] = np.nan
    return values


def test_missing_entries_are_in_no_sum(simulation, rng):
    data = {name: with_gaps(values, rng) for name, values in simulation.data.items()}
    fit = simulated.fit(data, 4)
    found, factors = variance_explained(fit, data), fit.transform(data).mean
    assert len(factors) > 512  # more than one chunk
    for name, values in data.items():
        expected = by_the_formula(values, factors, fit.weights(name))
        np.testing.assert_allclose(found.loc[name], expected, rtol=0, atol=1e-10)
        assert found.attrs["total"][name] == pytest.approx(expected.sum(), abs=1e-10)
        assert total_variance_explained(fit, data)[name] == pytest.approx(expected.sum(), abs=1e-10)
        assert 0.8 < expected.sum() < 1


def test_missing_labels_are_in_no_sum(rng):
    logits = 3 * rng.normal(size=(200, 2)) @ rng.normal(size=(2, 6))
    labels = with_gaps((logits + rng.logistic(size=logits.shape) > 0).astype(float), rng)
    model = fv.FAVAE({"labels": fv.views.Bernoulli(6)}, 2, noise=fv.priors.Gamma(2, 2))
    fit = fv.fit(model, {"labels": labels}, epochs=20, seed=0, progress=False)
    with torch.no_grad():
        seen = ~np.isnan(labels)
        given = {"labels": torch.as_tensor(np.nan_to_num(labels))}
        views = fit.guide.view_rows(given, {"labels": torch.as_tensor(seen)})
        rows = fit.guide.infer(views, len(labels))
        latents = rows.views[0].latent_means(rows).numpy()
    latents[~seen] = np.nan
    expected = by_the_formula(latents, rows.factors.numpy(), fit.weights("labels"), LOGISTIC)
    np.testing.assert_allclose(
        variance_explained(fit, {"labels": labels}).loc["labels"], expected, atol=1e-10
    )


def test_every_kind_of_closed_form_view(rng):
    factors = rng.normal(size=(150, 2))
    embedding = factors @ rng.normal(size=(2, 3)) + 0.3 * rng.normal(size=(150, 3))
    data = {
        "species": factors.argmax(1),
        "embedding": np.hstack([embedding, np.full((150, 3), 0.05)]),
    }
    views = {"species": fv.views.Categorical(2), "embedding": fv.views.Frozen(3, True, "none")}
    fit = fv.fit(fv.FAVAE(views, 2), data, epochs=20, seed=0, progress=False)
    found = variance_explained(fit, data)
    g, w = fit.transform(data).mean, fit.weights("embedding")
    np.testing.assert_allclose(found.loc["embedding"], by_the_formula(embedding, g, w), atol=1e-10)
    assert 0 < found.attrs["total"]["species"] <= 1


def test_it_needs_every_view(fit, simulation):
    with pytest.raises(DataError, match="right"):
        variance_explained(fit, {"left": simulation.data["left"]})


def test_two_scales_agree_where_data_are_latents(fit, simulation):
    latent = variance_explained(fit, simulation.data)
    data = variance_explained(fit, simulation.data, scale="data")
    np.testing.assert_allclose(data, latent, atol=1e-3)  # but for a bias that is not quite the rows' mean
    assert (total_variance_explained(fit, simulation.data, scale="data") <= 1).all()


def test_labels_on_the_scale_of_data(rng):
    """Efron's R² of the probabilities; two thirds of the labels are noise, which no share may hide."""
    logits = 1.5 * rng.normal(size=(300, 1)) * np.ones(6)
    labels = with_gaps((logits + rng.logistic(size=logits.shape) > 0).astype(float), rng)
    model = fv.FAVAE({"labels": fv.views.Bernoulli(6)}, 2)
    fit = fv.fit(model, {"labels": labels}, epochs=10, seed=0, progress=False)
    found = variance_explained(fit, {"labels": labels}, scale="data")
    seen = ~np.isnan(labels)
    mean = np.nanmean(labels, 0)
    squares = np.square(labels - mean)[seen].sum()
    predicted = fit.predict("labels", {"labels": labels}).mean
    expected = 1 - np.square(labels - predicted)[seen].sum() / squares
    assert found.attrs["total"]["labels"] == pytest.approx(expected, abs=0.03)  # the spread of factors apart
    assert 0.2 < found.attrs["total"]["labels"] < 0.7
    assert found.loc["labels"].sum() == pytest.approx(found.attrs["total"]["labels"], abs=0.05)


def test_classes_embeddings_and_images_on_the_scale_of_data(rng):
    factors = rng.normal(size=(120, 2))
    embedding = factors @ rng.normal(size=(2, 3)) + 0.1 * rng.normal(size=(120, 3))
    data = {
        "species": (factors @ rng.normal(size=(2, 3))).argmax(1),
        "embedding": np.hstack([embedding, np.full((120, 3), 0.01)]),
        "image": rng.random((120, 1, 4, 4)),
    }
    views = {
        "species": fv.views.Categorical(3),
        "embedding": fv.views.Frozen(3, True),
        "image": fv.views.Image((1, 4, 4), 2, "dense"),
    }
    fit = fv.fit(fv.FAVAE(views, 3), data, epochs=4, seed=0, progress=False)
    shares = variance_explained(fit, data, scale="data")
    total = pd.Series(shares.attrs["total"])
    assert np.isfinite(shares).all(axis=None)
    assert (total <= 1).all()
    assert total["embedding"] > 0.8
    assert 0.3 < total["species"] < 1
    reconstructed = fit.model.emission("image").decode(
        torch.as_tensor(fit.transform(data).mean @ fit.weights("image").T)
        + fit.posterior.view("image").weights.bias
    )
    assert total["image"] == pytest.approx(
        1
        - np.square(data["image"] - reconstructed.detach().numpy()).sum()
        / np.square(data["image"] - data["image"].mean(0)).sum(),
        abs=1e-5,
    )


PRIORS = {
    "components": fv.priors.Mixture(5),
    "groups": fv.priors.Grouped(("a", "b")),
}


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("n", [4, 60])
def test_the_total_is_at_most_one_in_hostile_cases(prior, n, rng):
    """Few rows, factors that go together, gaps, a column that does not vary, and labels that are all alike."""
    factors = rng.normal(size=(n, 2))
    factors[:, 1] = 0.95 * factors[:, 0] + 0.1 * factors[:, 1]
    table = factors @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=(n, 5))
    table[:, 0] = 7.1
    table[1, 1:3] = np.nan
    data = {"table": table, "flat": np.full((n, 2), 0.1), "labels": np.ones((n, 3))}
    if prior == "groups":
        data["group"] = np.where(np.arange(n) % 2, "a", "b")
    views = {
        "table": fv.views.Real(5),
        "flat": fv.views.Real(2, standardise="none"),
        "labels": fv.views.Bernoulli(3),
    }
    fit = fv.fit(fv.FAVAE(views, 3, factors=PRIORS[prior]), data, epochs=4, seed=0, progress=False)
    for scale in ("latent", "data"):
        shares = variance_explained(fit, data, scale=scale)
        total = total_variance_explained(fit, data, scale=scale)
        assert (total.dropna() <= 1).all()
        assert np.isnan(total["flat"])
        assert shares.loc["flat"].isna().all()
        if scale == "latent":
            assert shares.loc["table"].sum() == pytest.approx(total["table"], abs=1e-9)


def test_the_scale_is_a_known_one(fit, simulation):
    with pytest.raises(SpecError, match="'logit'"):
        variance_explained(fit, simulation.data, scale="logit")
