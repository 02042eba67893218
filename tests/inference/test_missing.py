"""Rows that lack views: absent from every sum, nothing imputed."""

import pytest
import torch

from pyro_favae.inference.rows import infer_rows
from pyro_favae.models.priors import StandardNormal
from tests.inference.problems import COMBINATIONS, problem


def assert_same(first, second) -> None:
    for field in first.__dataclass_fields__:
        torch.testing.assert_close(
            getattr(first, field),
            getattr(second, field),
            rtol=1e-12,
            atol=1e-12,
            msg=lambda m, f=field: f + m,
        )


@pytest.mark.parametrize("name", COMBINATIONS)
def test_what_a_missing_row_holds_does_not_matter(name):
    p, other = problem(name), problem(name)
    for v, mask in enumerate(other.observed):
        filler = 1.0 if other.kinds[v] == "binary" else 17.0
        other.data[v] = other.data[v].where(mask[:, None], filler)
        if other.variance[v] is not None:
            other.variance[v] = other.variance[v].where(mask[:, None], 3.0)
    first, second = p.infer().statistics(), other.infer().statistics()
    assert_same(first.factors, second.factors)
    for a, b in zip(first.views, second.views, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_marking_rows_as_missing_is_deleting_them_from_the_view(name):
    """A view's sums are those of a data set that holds its own rows alone."""
    p = problem(name)
    whole = p.infer().statistics()
    for v in range(len(p.kinds)):
        rows = p.observed[v].clone()
        part = problem(name)
        part.observed = [mask[rows] for mask in p.observed]
        part.data = [values[rows] for values in p.data]
        part.variance = [None if values is None else values[rows] for values in p.variance]
        assert_same(whole.views[v], part.infer().statistics().views[v])
        assert whole.views[v].n == rows.sum()


@pytest.mark.parametrize("name", ["real", "noise of each feature", "few binary features", "encoder"])
def test_a_view_that_a_row_lacks_says_nothing_of_it(name):
    """The row's q is that of a model without the view."""
    p = problem(name)
    p.observed[0] = p.observed[0] & False
    rows = p.infer()
    q = rows.factors
    without = problem(name)
    kept = [v for v in range(len(p.kinds)) if v > 0]
    views = [rows for v, rows in enumerate(without.view_rows()) if v in kept]
    expected = infer_rows(without.posterior, views, p.n, iterations=200, tolerance=0.0)
    torch.testing.assert_close(q, expected.factors, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_row_without_any_view_has_the_prior(name):
    p = problem(name)
    assert not any(mask[0] for mask in p.observed)
    rows = p.infer()
    k = p.declaration.n_factors
    conditional = rows.covariance.matrices[rows.covariance.index[0]]
    torch.testing.assert_close(conditional, torch.eye(k, dtype=torch.float64))
    torch.testing.assert_close(rows.component_factors[0], p.posterior.factors.component_means)
    if isinstance(p.declaration.factors, StandardNormal):
        assert (rows.factors[0] == 0).all()
        assert (rows.responsibilities[0] == 1).all()
    else:
        factors = p.posterior.factors
        digamma = torch.special.digamma(factors.dirichlet)
        uncertainty = factors.covariance.diagonal(dim1=1, dim2=2).sum(1)
        expected = (digamma - 0.5 * uncertainty).softmax(0)
        torch.testing.assert_close(rows.responsibilities[0], expected)
