"""Log predictive densities: normalised, in the user's units, what draws of every unknown average to."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import pyro_favae as fv
from pyro_favae.errors import DataError
from pyro_favae.results.predictive import rows_given

DRAWS = 20_000


@pytest.fixture(scope="module")
def kinds():
    """Every kind of table, a mixture of factors, few rows and proper priors: nothing is known for sure."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(60, 2)) + 2 * rng.integers(0, 2, size=(60, 1))
    mean = factors @ rng.normal(size=(2, 2)) + 0.3 * rng.normal(size=(60, 2))
    data = {
        "table": 50 + 20 * (factors @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(60, 3))),
        "labels": (factors @ rng.normal(size=(2, 3)) + rng.normal(size=(60, 3)) > 0).astype(float),
        "species": (factors @ rng.normal(size=(2, 3)) + rng.gumbel(size=(60, 3))).argmax(1).astype(float),
        "embedding": mean,
        "unsure": np.hstack([5 * mean, 0.1 + rng.random((60, 2))]),
    }
    views = {
        "table": fv.views.Real(3),
        "labels": fv.views.Bernoulli(3),
        "species": fv.views.Categorical(3),
        "embedding": fv.views.Frozen(2),
        "unsure": fv.views.Frozen(2, variances=True),
    }
    model = fv.FAVAE(
        views,
        2,
        weights=fv.priors.ARD(2, 2),
        noise=fv.priors.Gamma(2, 2, per_feature=True),
        factors=fv.priors.Mixture(2),
    )
    fit = fv.fit(model, data, epochs=30, seed=0, progress=False, device="cpu")
    return SimpleNamespace(fit=fit, data=data)


def without(data: dict, name: str, rows: slice = slice(None)) -> dict:
    return {other: values[rows] for other, values in data.items() if other != name}


@torch.no_grad()
def drawn_latents(fit: fv.Fit, name: str, given: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents' means given draws of factors, weights and noise precisions, and these: (draws, rows, D) each."""
    torch.manual_seed(0)
    (rows,) = rows_given(fit.guide, given)
    posterior = fit.posterior.view(name)
    component = torch.multinomial(rows.responsibilities, DRAWS, replacement=True).mT
    means = rows.component_factors[torch.arange(component.shape[1]), component]
    root = torch.linalg.cholesky(rows.component_spread())
    factors = means + (root @ torch.randn(*means.shape, 1).double())[..., 0]
    weights = posterior.weights.sample(DRAWS)
    latents = torch.einsum("ndk,nrk->nrd", weights[..., :-1], factors) + weights[:, None, :, -1]
    return latents, posterior.noise.q.sample(DRAWS)[:, None].expand_as(latents)


@pytest.mark.parametrize("name", ["table", "embedding"])
def test_real_numbers_have_the_density_of_a_sampled_predictive(kinds, name):
    given, data = without(kinds.data, name, slice(10)), kinds.data[name][:10]
    latents, precision = drawn_latents(kinds.fit, name, given)
    emission = kinds.fit.model.emission(name)
    centre = emission.decode(latents)
    spread = emission.unit / precision.sqrt()
    densities = torch.distributions.Normal(centre, spread).log_prob(torch.as_tensor(data)).exp()
    # a Gaussian stands for Gaussian noise of uncertain precision and products of Gaussians: 60 rows tell that well
    np.testing.assert_allclose(
        kinds.fit.log_density(name, data, given), densities.mean(0).log().numpy(), atol=0.1
    )


@pytest.mark.parametrize("name", ["labels", "species"])
def test_classes_have_the_probability_of_a_sampled_predictive(kinds, name):
    given, data = without(kinds.data, name, slice(10)), kinds.data[name][:10]
    latents, precision = drawn_latents(kinds.fit, name, given)
    noisy = latents + torch.randn_like(latents) / precision.sqrt()
    seen = torch.as_tensor(data)
    if name == "labels":
        probability = torch.where(seen > 0, noisy, -noisy).sigmoid()
    else:
        probability = noisy.softmax(-1)[:, torch.arange(10), seen.long()]
    density = kinds.fit.log_density(name, data, given)
    assert density.shape == data.shape
    # products of Gaussians are taken as Gaussian, logits of a row as independent of one another
    np.testing.assert_allclose(np.exp(density), probability.mean(0).numpy(), atol=0.03)


@pytest.mark.parametrize("name", ["table", "embedding"])
def test_densities_integrate_to_one(kinds, name):
    width = kinds.data[name].shape[1]
    spread = kinds.data[name].std()
    grid = kinds.data[name].mean() + np.linspace(-60, 60, 8001) * spread
    for given in (None, without(kinds.data, name, slice(3, 4))):
        rows = None if given is None else {n: np.repeat(v, len(grid), 0) for n, v in given.items()}
        density = kinds.fit.log_density(name, np.repeat(grid[:, None], width, 1), rows)
        np.testing.assert_allclose(np.trapezoid(np.exp(density), grid, axis=0), 1, rtol=1e-3)


def test_probabilities_sum_to_one(kinds):
    given = without(kinds.data, "labels")
    both = [kinds.fit.log_density("labels", np.full((60, 3), x), given) for x in (0.0, 1.0)]
    np.testing.assert_allclose(np.logaddexp(*both), 0, atol=1e-6)
    given = without(kinds.data, "species")
    each = [kinds.fit.log_density("species", np.full(60, x), given) for x in (0.0, 1.0, 2.0)]
    np.testing.assert_allclose(np.logaddexp.reduce(each), 0, atol=1e-6)


def test_a_mixture_of_factors_gives_a_mixture_of_densities(kinds):
    grid = np.linspace(-200, 300, 501)[:, None].repeat(3, 1)
    (rows,) = rows_given(kinds.fit.guide, None)
    assert rows.responsibilities.shape[1] == 2
    predicted = kinds.fit.predict("table", {"labels": np.full((1, 3), np.nan)})
    gaussian = -0.5 * ((grid - predicted.mean) / predicted.sd) ** 2 - np.log(
        predicted.sd * np.sqrt(2 * np.pi)
    )
    density = kinds.fit.log_density("table", grid)
    mean = np.trapezoid(grid * np.exp(density), grid[:, 0], axis=0)
    np.testing.assert_allclose(mean, predicted.mean[0], rtol=1e-3)
    assert np.abs(density - gaussian).max() > 0.05


def test_units_are_the_users(kinds):
    """Data in units a hundred times smaller are a hundred times denser."""
    model = fv.FAVAE({"a": fv.views.Real(3), "b": fv.views.Frozen(2)}, 2)
    data = {"a": kinds.data["table"], "b": kinds.data["embedding"]}
    scaled = {name: values / 100 for name, values in data.items()}
    fits = [
        fv.fit(model, one, epochs=10, tolerance=1e-300, seed=0, progress=False, device="cpu")
        for one in (data, scaled)
    ]
    for name, other in (("a", "b"), ("b", "a")):
        densities = [
            fit.log_density(name, one[name], {other: one[other]})
            for fit, one in zip(fits, (data, scaled), strict=True)
        ]
        np.testing.assert_allclose(densities[1] - densities[0], np.log(100), atol=1e-6)


def test_missing_entries_have_no_density(kinds):
    data = kinds.data["table"].copy()
    data[3, 1], data[5] = np.nan, np.nan
    missing = np.isnan(data)
    density = kinds.fit.log_density("table", data, without(kinds.data, "table"))
    np.testing.assert_array_equal(np.isnan(density), missing)
    full = kinds.fit.log_density("table", kinds.data["table"], without(kinds.data, "table"))
    np.testing.assert_allclose(density[~missing], full[~missing])
    species = kinds.data["species"].copy()
    species[:4] = np.nan
    assert np.isnan(kinds.fit.log_density("species", species)).sum() == 4


def test_hidden_entries_are_scored_given_the_rest_of_their_row(gappy):
    hidden = np.isnan(gappy.data["table"]) & ~np.isnan(gappy.data["table"]).all(1, keepdims=True)
    told = gappy.fit.log_density("table", gappy.truth["table"], gappy.data)[hidden].mean()
    others = {name: values for name, values in gappy.data.items() if name != "table"}
    untold = gappy.fit.log_density("table", gappy.truth["table"], others)[hidden].mean()
    nothing = gappy.fit.log_density("table", gappy.truth["table"])[hidden].mean()
    assert told > untold + 0.5 > nothing + 0.5


def test_embeddings_with_variances_have_a_density_for_each_dimension(kinds):
    given = without(kinds.data, "unsure")
    data = kinds.data["unsure"]
    density = kinds.fit.log_density("unsure", data, given)
    assert density.shape == (60, 2)
    surer = kinds.fit.log_density("unsure", np.hstack([data[:, :2], data[:, 2:] / 1e6]), given)
    assert (surer > density).all()


def test_images_are_scored_by_draws_of_their_latents(digits):
    given = {"attributes": digits.attributes[:20]}
    density = digits.fit.log_density("digit", digits.images[:20], given, seed=0)
    assert density.shape == (20, 1, 8, 8)
    again = digits.fit.log_density("digit", digits.images[:20], given, seed=0)
    np.testing.assert_array_equal(density, again)
    pixels = digits.fit.predict("digit", given, n_draws=400, seed=1).draws
    seen = torch.as_tensor(digits.images[:20])
    expected = torch.distributions.Normal(torch.as_tensor(pixels), 0.15).log_prob(seen).exp().mean(0).log()
    np.testing.assert_allclose(density.mean(), expected.mean().item(), atol=0.02)
    wrong = digits.fit.log_density(
        "digit", digits.images[:20], {"attributes": 1 - given["attributes"]}, seed=0
    )
    assert density.mean() > wrong.mean()


def test_rows_must_be_the_same(kinds):
    given = without(kinds.data, "table", slice(10))
    with pytest.raises(DataError, match="view 'table': 60 rows to score, expected 10"):
        kinds.fit.log_density("table", kinds.data["table"], given)
    with pytest.raises(DataError, match="unknown view 'spectrum'"):
        kinds.fit.log_density("spectrum", np.zeros((1, 3)))


def test_labelled_rows_must_be_in_the_same_order(kinds):
    labels = [f"row {i}" for i in range(60)]
    table = pd.DataFrame(kinds.data["table"], index=labels)
    embedding = pd.DataFrame(kinds.data["embedding"], index=labels)
    expected = kinds.fit.log_density("table", kinds.data["table"], {"embedding": kinds.data["embedding"]})
    np.testing.assert_allclose(kinds.fit.log_density("table", table, {"embedding": embedding}), expected)
    with pytest.raises(DataError, match="same labels in the same order"):
        kinds.fit.log_density("table", table, {"embedding": embedding[::-1]})
