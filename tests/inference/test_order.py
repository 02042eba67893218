"""The order and sign that factors are given."""

import pytest
import torch

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
