"""The order and sign that factors are given."""

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.inference.order import sort_factors
from tests.inference.problems import COMBINATIONS, problem


@pytest.mark.parametrize("name", COMBINATIONS)
def test_sorting_changes_coordinates_alone(name):
    p = problem(name, n=20)
    p.sweep(3)
    for view in p.posterior.views:
        view.relevance.update(view.weights.moments)
    rows = p.infer(300)
    before = p.bound(rows.statistics())
    means = [rows.factors @ view.weights.weights.mT + view.weights.bias for view in p.posterior.views]
    sort_factors(p.posterior)
    rows = p.infer(300)
    assert p.bound(rows.statistics()) == pytest.approx(before, rel=1e-9)
    for view, expected in zip(p.posterior.views, means, strict=True):
        actual = rows.factors @ view.weights.weights.mT + view.weights.bias
        torch.testing.assert_close(actual, expected, rtol=1e-7, atol=1e-7)


def test_largest_first_with_a_positive_leading_weight():
    p = problem("noise of each feature")
    sort_factors(p.posterior)
    scaled = [view.noise.mean.sqrt()[:, None] * view.weights.weights for view in p.posterior.views]
    weights = torch.cat(scaled)
    strength = weights.square().sum(0)
    assert (strength.diff() <= 0).all()
    assert (weights.gather(0, weights.abs().argmax(0, keepdim=True)) > 0).all()
    before = p.posterior.views[0].weights_mean.clone()
    sort_factors(p.posterior)
    torch.testing.assert_close(p.posterior.views[0].weights_mean, before)


@pytest.mark.parametrize("prior", [fv.priors.StandardNormal(), fv.priors.Grouped(("a", "b"))])
def test_runs_that_find_the_same_factors_number_and_sign_them_alike(prior):
    """From principal components and from random weights, on the rows in two orders."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(120, 3)) * [1.5, 1, 0.7]
    loadings = rng.normal(size=(3, 12)) * rng.choice([0, 1], (3, 12))
    x = factors @ loadings + 0.4 * rng.normal(size=(120, 12))
    data = {"x": x, "y": x[:, :3] + rng.normal(size=(120, 3))}
    if prior.column:
        data["group"] = np.where(rng.random(120) < 0.5, "a", "b")
    model = fv.FAVAE({"x": fv.views.Real(12), "y": fv.views.Real(3)}, 4, factors=prior)
    shuffled = {name: values[::-1].copy() for name, values in data.items()}
    options = {"epochs": 30, "tolerance": 1e-7, "progress": False, "device": "cpu"}
    one = fv.fit(model, data, seed=0, **options)
    other = fv.fit(model, shuffled, seed=1, start="random", **options)
    active = np.flatnonzero(one.active.any())
    assert len(active) == 3
    for name in model.views:
        np.testing.assert_allclose(
            one.weights(name)[:, active],
            other.weights(name)[:, active],
            atol=0.05 * np.abs(one.weights(name)).max(),
        )
