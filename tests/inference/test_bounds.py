"""Jaakkola's bound on the logistic."""

import numpy as np
import pytest
import torch

from pyro_favae.inference.bounds import jaakkola_bound, jaakkola_curvature


def grid(limit: float, n: int = 401) -> torch.Tensor:
    return torch.linspace(-limit, limit, n, dtype=torch.float64)


def test_the_curvature_is_symmetric_with_its_limit_at_zero():
    xi = grid(30)
    torch.testing.assert_close(jaakkola_curvature(xi), jaakkola_curvature(-xi), rtol=1e-12, atol=0.0)
    zero = torch.tensor([0.0, 1e-300, 1e-8, 9e-5, 1.1e-4], dtype=torch.float64)
    torch.testing.assert_close(jaakkola_curvature(zero), torch.full_like(zero, 1 / 8), rtol=2e-9, atol=0.0)
    assert (jaakkola_curvature(xi) <= 1 / 8).all()
    assert (jaakkola_curvature(xi) > 0).all()


def test_the_curvature_is_its_formula():
    xi = torch.tensor([0.01, 0.5, 2.0, 40.0], dtype=torch.float64)
    expected = ((1 / (1 + (-xi).exp())) - 0.5) / (2 * xi)
    torch.testing.assert_close(jaakkola_curvature(xi), expected, rtol=1e-12, atol=0.0)


def test_the_curvature_can_be_differentiated_everywhere():
    xi = torch.tensor([0.0, 1e-5, 1.0, -3.0], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(jaakkola_curvature(xi).sum(), xi)
    assert torch.isfinite(gradient).all()
    assert gradient[0] == 0
    assert gradient[2] < 0 < gradient[3]


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_lower_bound_everywhere_and_tight_at_xi(label):
    z, xi = torch.meshgrid(grid(12, 97), grid(12, 49), indexing="ij")
    data = torch.full_like(z, label)
    exact = torch.nn.functional.logsigmoid((2 * data - 1) * z)
    bound = jaakkola_bound(data, z, z.square(), xi.abs())
    assert (bound <= exact + 1e-12).all()
    for sign in (1, -1):
        tight = jaakkola_bound(data, sign * xi, xi.square(), xi.abs())
        exact = torch.nn.functional.logsigmoid((2 * data - 1) * sign * xi)
        torch.testing.assert_close(tight, exact, rtol=1e-10, atol=1e-10)


def test_a_lower_bound_in_expectation():
    """Against Gauss-Hermite quadrature of E log σ(z)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    nodes, weights = torch.as_tensor(nodes), torch.as_tensor(weights / weights.sum())
    mean, deviation = torch.meshgrid(grid(5, 11), torch.tensor([0.1, 1.0, 3.0]).double(), indexing="ij")
    exact = (torch.nn.functional.logsigmoid(mean[..., None] + deviation[..., None] * nodes) * weights).sum(-1)
    second = mean.square() + deviation.square()
    bound = jaakkola_bound(torch.ones_like(mean), mean, second, second.sqrt())
    assert (bound <= exact + 1e-9).all()
