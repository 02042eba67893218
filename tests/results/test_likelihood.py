"""log p(x_n | globals), against densities worked out otherwise."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp
from scipy.stats import multivariate_normal, norm

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.results.draws import global_draws, seeded
from pyro_favae.results.likelihood import row_log_likelihood

DRAWS = 3


def likelihood(fit, data, n_latents=8, seed=0):
    """The draws of the globals, log p(x | θ), and by view that given the others."""
    with seeded(fit.guide, 0):
        drawn = global_draws(fit.guide, DRAWS)
    generator = torch.Generator().manual_seed(seed)
    whole, by_view = row_log_likelihood(
        fit.guide, prepare(fit.declaration, data), drawn, generator, n_latents
    )
    arrays = {name: values.numpy() for name, values in drawn.items()}
    return arrays, whole.numpy(), {name: values.numpy() for name, values in by_view.items()}


def gaussian(fit, drawn, name, i):
    """Weights (D, K), bias (D,) and noise variance (D,) of one draw, in the user's units."""
    emission = fit.model.emission(name)
    unit = emission.unit.numpy()
    bias = emission.decode(torch.as_tensor(drawn[f"{name}.bias"][i])).numpy()
    noise = np.broadcast_to(1 / drawn[f"{name}.noise_precision"][i], unit.shape) * unit**2
    return drawn[f"{name}.weights"][i] * unit[:, None], bias, noise


def density(rows, weights, bias, noise, centre=0.0):
    """Of what is observed of rows, their factors N(centre, I) integrated out."""
    mean, covariance = bias + weights @ np.broadcast_to(centre, weights.shape[1]), weights @ weights.T
    covariance = covariance + np.diag(noise)
    scores = np.zeros(len(rows))
    for n, row in enumerate(rows):
        seen = ~np.isnan(row)
        if seen.any():
            scores[n] = multivariate_normal.logpdf(row[seen], mean[seen], covariance[np.ix_(seen, seen)])
    return scores


@pytest.fixture(scope="module")
def tables():
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(60, 2))
    data = {
        "a": 3 + 20 * factors @ rng.normal(size=(2, 4)) + rng.normal(size=(60, 4)),
        "b": factors @ rng.normal(size=(2, 3)) + rng.normal(size=(60, 3)),
    }
    data["b"][:5], data["a"][7, 2], data["a"][10], data["a"][20], data["b"][20] = [np.nan] * 5
    return data


def fitted(data, factors, **views):
    return fv.fit(fv.FAVAE(views, 2, factors=factors), data, epochs=10, seed=0, progress=False, device="cpu")


def test_real_views_are_one_gaussian(tables):
    views = {"a": fv.views.Real(4, noise=fv.priors.Gamma(per_feature=True)), "b": fv.views.Real(3)}
    fit = fitted(tables, fv.priors.StandardNormal(), **views)
    drawn, whole, by_view = likelihood(fit, tables)
    for i in range(DRAWS):
        parts = [gaussian(fit, drawn, name, i) for name in tables]
        joint = density(np.hstack(list(tables.values())), *map(np.concatenate, zip(*parts, strict=True)))
        alone = {name: density(tables[name], *part) for name, part in zip(tables, parts, strict=True)}
        np.testing.assert_allclose(whole[i], joint, atol=1e-9)
        np.testing.assert_allclose(by_view["a"][i], joint - alone["b"], atol=1e-9)
        np.testing.assert_allclose(by_view["b"][i], joint - alone["a"], atol=1e-9)
        assert whole[i, 20] == 0


def test_embeddings_with_variances_count_as_in_the_bound():
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 3))
    data = {"e": np.hstack([mean, 0.1 + rng.random((40, 3))])}
    fit = fitted(data, fv.priors.StandardNormal(), e=fv.views.Frozen(3, variances=True))
    drawn, whole, _ = likelihood(fit, data)
    for i in range(DRAWS):
        weights, bias, noise = gaussian(fit, drawn, "e", i)
        expected = density(mean, weights, bias, noise) - 0.5 * (data["e"][:, 3:] / noise).sum(1)
        np.testing.assert_allclose(whole[i], expected, atol=1e-9)


def test_a_mixture_is_a_sum_over_components(tables):
    fit = fitted({"a": tables["a"]}, fv.priors.Mixture(2), a=fv.views.Real(4))
    drawn, whole, _ = likelihood(fit, {"a": tables["a"]}, n_latents=2000)
    for i in range(DRAWS):
        parts = gaussian(fit, drawn, "a", i)
        scores = [density(tables["a"], *parts, centre) for centre in drawn["component_means"][i]]
        expected = logsumexp(np.array(scores) + np.log(drawn["proportions"][i])[:, None], 0)
        np.testing.assert_allclose(whole[i], expected, atol=0.05)


def test_groups_have_their_own_prior():
    rng = np.random.default_rng(0)
    labels = np.repeat(["here", "there"], 20)
    table = rng.normal(size=(40, 1)) @ rng.normal(size=(1, 3)) + rng.normal(size=(40, 3))
    data = {"a": table, "group": labels}
    fit = fitted(data, fv.priors.Grouped(("here", "there")), a=fv.views.Real(3))
    drawn, whole, _ = likelihood(fit, data, n_latents=2000)
    for i in range(DRAWS):
        weights, bias, noise = gaussian(fit, drawn, "a", i)
        for g, name in enumerate(("here", "there")):
            scaled = weights * drawn["group_precisions"][i, g] ** -0.5
            expected = density(
                table[labels == name], scaled, bias + weights @ drawn["group_means"][i, g], noise
            )
            np.testing.assert_allclose(whole[i, labels == name], expected, atol=0.1)


def by_grid(logits_of, labels, noise, log_prior, points):
    """log Σ_g p(g) Π_d ∫ σ(±z) N(z; w g + b, noise) dz over a grid of factors, each row."""
    nodes, shares = np.polynomial.hermite.hermgauss(40)
    z = logits_of[..., None] + np.sqrt(2 * noise) * nodes
    one = (expit(z) * shares).sum(-1) / np.sqrt(np.pi)  # (points, D)
    scores = np.where(labels[:, None] > 0, np.log(one), np.log1p(-one)).sum(-1)
    return logsumexp(scores + log_prior, 1) + np.log(points[1] - points[0])


def test_binary_views_are_integrated():
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(80, 1)) @ np.ones((1, 6))
    labels = (rng.random(logits.shape) < expit(logits)).astype(float)
    model = fv.FAVAE({"l": fv.views.Bernoulli(6)}, 1)
    fit = fv.fit(model, {"l": labels}, epochs=20, seed=0, progress=False, device="cpu")
    drawn, whole, _ = likelihood(fit, {"l": labels}, n_latents=1000)
    points = np.linspace(-7, 7, 1001)
    for i in range(DRAWS):
        mean = points[:, None] * drawn["l.weights"][i, :, 0] + drawn["l.bias"][i]
        noise = 1 / drawn["l.noise_precision"][i]
        expected = by_grid(mean, labels, noise, norm.logpdf(points), points)
        errors = np.abs(whole[i] - expected)
        assert errors.mean() < 0.02
        assert errors.max() < 0.2


def test_the_same_noise_serves_every_draw(tables):
    """So that differences between draws, which leaving rows out weighs by, are known better than their level."""
    rng = np.random.default_rng(0)
    logits = np.nan_to_num(tables["a"] / 10) @ rng.normal(size=(4, 8))
    data = {"a": tables["a"], "l": (rng.random((60, 8)) < expit(logits)).astype(float)}
    fit = fitted(data, fv.priors.StandardNormal(), a=fv.views.Real(4), l=fv.views.Bernoulli(8))
    runs = np.stack([likelihood(fit, data, seed=seed)[1] for seed in range(6)])
    level, difference = runs.std(0).mean(), (runs - runs.mean(1, keepdims=True)).std(0).mean()
    assert difference < 0.5 * level


def test_behind_an_encoder_more_draws_come_closer_from_below():
    images = fv.datasets.load_digits().images[:60]
    data = {"digit": images.copy(), "even": (np.arange(60) % 2)[:, None].astype(float)}
    data["digit"][:3] = np.nan
    views = {"digit": fv.views.Image((1, 8, 8), 3, network="dense"), "even": fv.views.Bernoulli(1)}
    fit = fv.fit(fv.FAVAE(views, 2), data, epochs=2, batch_size=30, seed=0, progress=False, device="cpu")
    levels = [np.mean([likelihood(fit, data, n, seed)[1] for seed in range(3)]) for n in (1, 30)]
    assert levels[0] < levels[1]
    rows = likelihood(fit, data, 30)[1][0]
    assert np.isfinite(rows).all()
    only = likelihood(
        fit, {"digit": data["digit"], "even": np.full((60, 1), np.nan)} | {"even": data["even"]}, 30
    )
    assert np.all(np.abs(only[2]["digit"][:, :3]) < 1e-6)  # nothing of the view, so nothing to its density
