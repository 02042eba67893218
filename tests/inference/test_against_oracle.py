"""The batched closed forms against the loop-based reference."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from pyro_favae.inference.elbo import elbo_terms
from tests import oracle
from tests.inference.problems import COMBINATIONS, oracle_factors, oracle_views, problem

TOLERANCE = 1e-9


def assert_close(actual, expected, what: str = "") -> None:
    """Equal up to rounding; what serves all features in one may have one expected for each."""
    actual, expected = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    actual, expected = np.broadcast_arrays(actual, expected)
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE * scale, err_msg=what)


@pytest.fixture(params=COMBINATIONS, scope="module")
def solved(request):
    p = problem(request.param)
    rows = p.infer(iterations=4)
    views, factors = oracle_views(p, rows), oracle_factors(p)
    return p, rows, views, factors, oracle.rows_posterior(views, factors)


def test_rows(solved):
    _, rows, _, _, expected = solved
    spread = rows.spread()
    for n, row in enumerate(expected):
        assert_close(rows.responsibilities[n], row.responsibilities)
        assert_close(rows.component_factors[n], row.component_means)
        assert_close(rows.factors[n], row.mean)
        assert_close(rows.covariance.matrices[rows.covariance.index[n]], row.conditional)
        assert_close(spread[n], row.covariance)


def test_latent_means(solved):
    _, rows, views, _, expected = solved
    for v, view in enumerate(views):
        means = rows.views[v].latent_means(rows)
        for n, row in enumerate(expected):
            for d in range(view.size):
                if view.observed[n, d]:
                    z = row.latents[v, d]
                    assert_close(means[n, d], z.follow * view.mean[d] @ row.factors + z.intercept)


def test_statistics(solved):
    p, rows, views, _, expected_rows = solved
    statistics = rows.statistics()
    for sums, expected in zip(statistics.views, oracle.statistics(views, expected_rows), strict=True):
        for field in fields(sums):
            actual = getattr(sums, field.name)
            assert_close(0.0 if actual is None else actual, expected[field.name], field.name)
    factors = statistics.factors
    second = sum(row.moments for row in expected_rows)
    if factors.groups is not None:
        members = [p.groups == c for c in range(len(factors.groups))]
        expected = [sum(np.array([row.moments for row in expected_rows])[c]) for c in members]
        assert_close(factors.groups, expected)
    r = np.array([row.responsibilities for row in expected_rows])
    assert_close(factors.n, len(expected_rows))
    assert_close(factors.g, second[:-1, -1])
    assert_close(factors.gg, second[:-1, :-1])
    assert_close(factors.log_determinant, sum(np.linalg.slogdet(row.conditional)[1] for row in expected_rows))
    assert_close(factors.counts, r.sum(0))
    assert_close(
        factors.component_g, sum(row.responsibilities[:, None] * row.component_means for row in expected_rows)
    )


def test_bound(solved):
    p, rows, views, factors, expected_rows = solved
    terms = elbo_terms(p.posterior, rows.statistics())
    expected = oracle.bound(views, p.names, factors, expected_rows)
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert_close(terms[name], value, name)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_updates(name):
    """Every block, and the bound afterwards: q(z | g, W) of logits stays as it was while W and τ move on."""
    p = problem(name)
    rows = p.infer(iterations=4)
    statistics = rows.statistics()
    views, factors = oracle_views(p, rows), oracle_factors(p)
    expected_rows = oracle.rows_posterior(views, factors)
    sums = oracle.statistics(views, expected_rows)
    for v, (view, posterior) in enumerate(zip(views, p.posterior.views, strict=True)):
        for _ in range(2):  # the second time at another τ than that of the rows
            posterior.update_weights(statistics.views[v])
            view.mean, view.covariance = oracle.update_weights(view, sums[v])
            assert_close(posterior.weights_mean, view.mean)
            assert_close(posterior.weights_covariance, view.covariance)
            posterior.relevance.update(posterior.weights.moments)
            view.relevance_shape, view.relevance_rate = oracle.update_relevance(view)
            assert_close(posterior.relevance.shape, view.relevance_shape)
            assert_close(posterior.relevance.rate, view.relevance_rate)
            posterior.update_noise(statistics.views[v])
            view.noise_shape, view.noise_rate = oracle.update_noise(views, v, expected_rows)
            assert_close(posterior.noise.shape, view.noise_shape)
            assert_close(posterior.noise.rate, view.noise_rate)
    p.posterior.factors.update(statistics.factors)
    if factors.dirichlet is not None:
        factors.means, factors.covariances, factors.dirichlet = oracle.update_mixture(factors, expected_rows)
        assert_close(p.posterior.factors.means, factors.means)
        assert_close(p.posterior.factors.covariance, factors.covariances)
        assert_close(p.posterior.factors.dirichlet, factors.dirichlet)
    if factors.labels is not None:
        oracle.update_groups(factors, expected_rows)
        assert_close(p.posterior.factors.means, factors.means)
        assert_close(p.posterior.factors.covariance, factors.covariances)
        assert_close(p.posterior.factors.precisions.shape, factors.scale_shape)
        assert_close(p.posterior.factors.precisions.rate, factors.scale_rate)
    expected = oracle.bound(views, p.names, factors, expected_rows)
    for term, value in elbo_terms(p.posterior, statistics).items():
        assert_close(value, expected[term], term)


@pytest.mark.parametrize("name", ["real", "missing entries", "categorical", "groups, missing entries", "all"])
def test_statistics_add_over_rows(name):
    p = problem(name, n=12)
    whole = p.infer().statistics()
    parts = None
    for rows in (slice(0, 5), slice(5, 6), slice(6, 12)):
        sums = p.part(rows).infer().statistics()
        parts = sums if parts is None else parts + sums
    assert_same(whole, parts)


def test_scaling_statistics_scales_every_sum():
    for name in ("all", "groups"):
        whole = problem(name).infer().statistics()
        assert_same(whole + whole, whole.scaled(2.0))


@pytest.mark.parametrize("name", ["few binary features", "categorical"])
def test_sums_of_stand_ins_and_of_logits_add(name):
    """As over minibatches, the first of which read labels as numbers: what one part has not is zero in it."""
    p = problem(name)
    logits = p.infer().statistics()
    p.kinds = ["real"] * len(p.kinds)
    numbers = p.infer().statistics()
    zeros = numbers.scaled(0.0)
    expected = p.bound(logits) + p.bound(numbers) - p.bound(zeros)
    for total in (logits + numbers, numbers + logits):
        assert_close(p.bound(total), expected)


def assert_same(first, second) -> None:
    for a, b in zip((*first.views, first.factors), (*second.views, second.factors), strict=True):
        for field in fields(a):
            expected, actual = getattr(a, field.name), getattr(b, field.name)
            assert (expected is None) == (actual is None), field.name
            if isinstance(expected, torch.Tensor):
                assert expected.shape == actual.shape, field.name
                assert_close(actual, expected, field.name)
