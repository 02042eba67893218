"""The batched closed forms against the loop-based reference."""

import numpy as np
import pytest
import torch

from pyro_favae.inference.elbo import elbo_terms
from tests import oracle
from tests.inference.problems import COMBINATIONS, oracle_factors, oracle_views, problem

TOLERANCE = 1e-9


def assert_close(actual, expected, what: str = "") -> None:
    actual = np.asarray(actual, dtype=np.float64)
    expected = np.broadcast_to(np.asarray(expected, dtype=np.float64), actual.shape)
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
    spread = rows.spread().expand(len(expected), -1, -1)
    for n, row in enumerate(expected):
        assert_close(rows.responsibilities[n], row.responsibilities)
        assert_close(rows.component_factors[n], row.component_means)
        assert_close(rows.factors[n], row.mean)
        assert_close(rows.covariance.matrices[rows.covariance.index[n]], row.conditional)
        assert_close(spread[n], row.covariance)


def test_statistics(solved):
    _, rows, views, _, expected_rows = solved
    statistics = rows.statistics()
    for sums, expected in zip(statistics.views, oracle.statistics(views, expected_rows), strict=True):
        for name, value in expected.items():
            assert_close(getattr(sums, name), value, name)
    factors = statistics.factors
    second = sum(oracle.moments(row) for row in expected_rows)
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
    p = problem(name)
    rows = p.infer(iterations=4)
    statistics = rows.statistics()
    views, factors = oracle_views(p, rows), oracle_factors(p)
    expected_rows = oracle.rows_posterior(views, factors)
    sums = oracle.statistics(views, expected_rows)
    for v, (view, posterior) in enumerate(zip(views, p.posterior.views, strict=True)):
        posterior.update_weights(statistics.views[v])
        view.mean, view.covariance = oracle.update_weights(view, sums[v])
        assert_close(posterior.weights_mean, view.mean)
        assert_close(posterior.weights_covariance.expand(view.covariance.shape), view.covariance)
        posterior.relevance.update(posterior.squares, posterior.n_features)
        view.relevance_shape, view.relevance_rate = oracle.update_relevance(view)
        assert_close(posterior.relevance.shape, view.relevance_shape)
        assert_close(posterior.relevance.rate, view.relevance_rate)
        posterior.update_noise(statistics.views[v])
        view.noise_shape, view.noise_rate = oracle.update_noise(view, sums[v])
        assert_close(posterior.noise_shape.expand(view.size), view.noise_shape)
        assert_close(posterior.noise_rate.expand(view.size), view.noise_rate)
    p.posterior.factors.update(statistics.factors)
    if factors.dirichlet is not None:
        factors.means, factors.covariances, factors.dirichlet = oracle.update_mixture(factors, expected_rows)
        assert_close(p.posterior.factors.means, factors.means)
        assert_close(p.posterior.factors.covariance, factors.covariances)
        assert_close(p.posterior.factors.dirichlet, factors.dirichlet)
    expected = oracle.bound(views, p.names, factors, expected_rows)
    for term, value in elbo_terms(p.posterior, statistics).items():
        assert_close(value, expected[term], term)


@pytest.mark.parametrize("name", ["real", "all"])
def test_statistics_add_over_rows(name):
    p = problem(name, n=12)
    whole = p.infer().statistics()
    parts = None
    for rows in (slice(0, 5), slice(5, 6), slice(6, 12)):
        part = problem(name, n=12)
        part.observed = [mask[rows] for mask in p.observed]
        part.data = [values[rows] for values in p.data]
        part.variance = [None if values is None else values[rows] for values in p.variance]
        sums = part.infer().statistics()
        parts = sums if parts is None else parts + sums
    for first, second in zip((*whole.views, whole.factors), (*parts.views, parts.factors), strict=True):
        for field in first.__dataclass_fields__:
            assert_close(getattr(second, field), getattr(first, field), field)


def test_scaling_statistics_scales_every_sum():
    p = problem("all")
    whole = p.infer().statistics()
    twice = whole.scaled(2.0)
    both = whole + whole
    for first, second in zip((*twice.views, twice.factors), (*both.views, both.factors), strict=True):
        for field in first.__dataclass_fields__:
            torch.testing.assert_close(getattr(first, field), getattr(second, field))
