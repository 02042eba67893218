"""Rows that lack views, and rows that lack entries: absent from every sum, nothing imputed."""

import pytest
import torch

from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.row_inference import infer_rows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Gamma, Grouped, StandardNormal
from pyro_favae.models.views import Bernoulli, Real
from tests.inference.problems import COMBINATIONS, LOGISTIC, Problem, problem

STEPS = 10  # of the bound on logits


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
def test_what_a_missing_row_or_entry_holds_does_not_matter(name):
    p, other = problem(name), problem(name)
    for v, mask in enumerate(other.observed):
        filler = 1.0 if other.kinds[v] in LOGISTIC else 17.0
        other.data[v] = other.data[v].where(mask, filler)
        if other.variance[v] is not None:
            other.variance[v] = other.variance[v].where(mask, 3.0)
    first, second = p.infer(STEPS).statistics(), other.infer(STEPS).statistics()
    assert_same(first.factors, second.factors)
    for a, b in zip(first.views, second.views, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_marking_rows_as_missing_is_deleting_them_from_the_view(name):
    """A view's sums are those of a data set that holds its own rows alone."""
    p = problem(name)
    whole = p.infer(STEPS).statistics()
    for v, mask in enumerate(p.observed):
        assert_same(whole.views[v], p.part(mask.any(1)).infer(STEPS).statistics().views[v])
        assert (whole.views[v].n == mask.sum(0)).all()


@pytest.mark.parametrize("name", COMBINATIONS)
def test_masks_by_entry_that_lack_whole_rows_are_masks_by_row(name):
    """The same q and the same sums, each feature with a copy of what all share."""
    p, other = problem(name), problem(name)
    for v, kind in enumerate(p.kinds):
        p.observed[v] = p.observed[v].any(1, keepdim=True)
        if kind not in ("encoder", "categorical"):
            other.observed[v] = p.observed[v].expand_as(p.data[v])
    first, second = p.infer(STEPS), other.infer(STEPS)
    torch.testing.assert_close(first.component_factors, second.component_factors, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(first.spread(), second.spread(), rtol=1e-10, atol=1e-10)
    for a, b in zip(first.statistics().views, second.statistics().views, strict=True):
        for field in a.__dataclass_fields__:
            expected, actual = getattr(a, field), getattr(b, field)
            if expected is not None:
                torch.testing.assert_close(expected.expand_as(actual), actual, rtol=1e-10, atol=1e-10)
    p.posterior.update(first.statistics())
    other.posterior.update(second.statistics())
    for a, b in zip(p.posterior.views, other.posterior.views, strict=True):
        torch.testing.assert_close(a.weights.mean, b.weights.mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(a.weights.variance, b.weights.variance, rtol=1e-9, atol=1e-9)
    assert p.bound(first.statistics()) == pytest.approx(other.bound(second.statistics()), rel=1e-10)


@pytest.mark.parametrize("kind", ["real", "binary"])
def test_a_feature_that_lacks_entries_is_a_view_that_lacks_rows(kind):
    """Rows and their views' terms are those of one view a feature."""
    p = problem("missing entries" if kind == "real" else "missing binary entries")
    v = p.kinds.index(kind)
    d, make = p.data[v].shape[1], {"real": Real, "binary": Bernoulli}[kind]
    noise = Gamma(2.0, 1.5, per_feature=True)
    whole = _alone(p, v, FAVAE({kind: make(d, noise=noise)}, 3), [slice(0, d)])
    split = _alone(p, v, FAVAE({f"{kind}{i}": make(1, noise=noise) for i in range(d)}, 3), range(d))
    first, second = whole.infer(STEPS), split.infer(STEPS)
    torch.testing.assert_close(first.factors, second.factors, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(first.spread(), second.spread(), rtol=1e-10, atol=1e-10)
    sums, parts = first.statistics().views[0], second.statistics().views
    for field in ("n", "gg", "zg", "zz"):
        together = torch.cat([getattr(part, field) for part in parts])
        torch.testing.assert_close(together, getattr(sums, field), rtol=1e-10, atol=1e-10)
    for field in ("log_likelihood", "entropy"):
        together = sum(getattr(part, field) for part in parts)
        torch.testing.assert_close(together, getattr(sums, field), rtol=1e-10, atol=1e-10)


def _alone(p: Problem, v: int, declaration: FAVAE, features) -> Problem:
    """View v of a problem, some of its features in each view of another declaration."""
    features = [torch.arange(p.data[v].shape[1])[f].reshape(-1) for f in features]
    posterior, source = Posterior(declaration), p.posterior.views[v]
    for view, chosen in zip(posterior.views, features, strict=True):
        view.weights_mean.copy_(source.weights_mean[chosen])
        view.weights_covariance.copy_(source.weights_covariance.expand(source.n_features, -1, -1)[chosen])
        view.noise.shape.copy_(source.noise.shape.expand(source.n_features)[chosen])
        view.noise.rate.copy_(source.noise.rate.expand(source.n_features)[chosen])
    return Problem(
        declaration,
        [p.kinds[v]] * len(features),
        posterior,
        [p.observed[v][:, chosen] for chosen in features],
        [p.data[v][:, chosen] for chosen in features],
        [None] * len(features),
    )


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_view_that_a_row_lacks_says_nothing_of_it(name):
    """The row's q is that of a model without the view."""
    p = problem(name)
    p.observed[0] = p.observed[0] & False
    snapshot = Snapshot(p.posterior)
    without = infer_rows(
        snapshot, p.view_rows(snapshot)[1:], p.n, iterations=STEPS, tolerance=0.0, groups=p.groups
    )
    rows = p.infer(STEPS)
    torch.testing.assert_close(rows.factors, without.factors, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(rows.spread(), without.spread(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_row_without_any_view_has_the_prior(name):
    p = problem(name)
    assert not any(mask[0].any() for mask in p.observed)
    rows = p.infer(STEPS)
    k = p.declaration.n_factors
    conditional = rows.covariance.matrices[rows.covariance.index[0]]
    factors, group = p.posterior.factors, 0 if p.groups is None else p.groups[0]
    torch.testing.assert_close(torch.linalg.inv(conditional), factors.prior_precision[group])
    torch.testing.assert_close(rows.component_factors[0], factors.prior_means[group])
    if isinstance(p.declaration.factors, Grouped):
        return
    torch.testing.assert_close(conditional, torch.eye(k, dtype=torch.float64))
    torch.testing.assert_close(rows.component_factors[0], factors.component_means)
    if isinstance(p.declaration.factors, StandardNormal):
        assert (rows.factors[0] == 0).all()
        assert (rows.responsibilities[0] == 1).all()
    else:
        digamma = torch.special.digamma(factors.dirichlet)
        uncertainty = factors.covariance.diagonal(dim1=1, dim2=2).sum(1)
        expected = (digamma - 0.5 * uncertainty).softmax(0)
        torch.testing.assert_close(rows.responsibilities[0], expected)


def test_a_feature_that_nothing_is_observed_of_keeps_its_prior():
    p = problem("missing entries")
    p.observed[0][:, 2] = False
    p.sweep(2)
    mean, covariance = p.posterior.views[0].weights
    assert (mean[2] == 0).all()
    variance = covariance[2].diagonal()
    assert variance[-1] == pytest.approx(1 / p.declaration.bias_precision)
    assert torch.equal(covariance[2], torch.diag(variance))
