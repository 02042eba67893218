"""The quadratic bounds on the logistic and on the softmax, as the rows of their views hold them."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from torch import Tensor

from pyro_favae.inference.bounds import bouchard_shift, jaakkola_curvature
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.views.bernoulli import BernoulliRows
from pyro_favae.inference.views.categorical import CategoricalRows
from pyro_favae.inference.views.logistic import LogisticRows
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Bernoulli, Categorical


def grid(limit: float, n: int = 401) -> Tensor:
    return torch.linspace(-limit, limit, n, dtype=torch.float64)


def rows_of(data: Tensor, kind: type = BernoulliRows) -> LogisticRows:
    """Rows of a view whose data are 0 and 1, (rows, D)."""
    make = Bernoulli if kind is BernoulliRows else Categorical
    view = ViewSnapshot(Posterior(FAVAE({"v": make(data.shape[1])}, 1)).views[0])
    return kind(view, torch.ones(len(data), 1, dtype=torch.bool), data)


def one_hot(classes: int, n: int) -> Tensor:
    return torch.eye(classes, dtype=torch.float64)[torch.arange(n) % classes]


def bound(rows: LogisticRows, mean: Tensor, variance: Tensor | float = 0.0) -> Tensor:
    """c + h <z> − λ <z²> summed over a row's entries, (rows,)."""
    curvature = 2 * jaakkola_curvature(rows.xi)
    square = mean.square() + variance
    return (rows.constant() + rows.logit_slope(curvature) * mean - 0.5 * curvature * square).sum(1)


def nodes() -> tuple[Tensor, Tensor]:
    """Of quadrature over a standard normal."""
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    return torch.as_tensor(points), torch.as_tensor(weights / weights.sum())


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
def test_jaakkola_is_a_lower_bound_everywhere_and_tight_at_xi(label):
    z, xi = torch.meshgrid(grid(12, 97), grid(12, 49).abs(), indexing="ij")
    z, xi = z.reshape(-1, 1), xi.reshape(-1, 1)
    rows = rows_of(torch.full_like(z, label))
    rows.xi = xi
    exact = torch.nn.functional.logsigmoid((2 * label - 1) * z)[:, 0]
    assert (bound(rows, z) <= exact + 1e-12).all()
    for sign in (1, -1):
        exact = torch.nn.functional.logsigmoid((2 * label - 1) * sign * xi)[:, 0]
        torch.testing.assert_close(bound(rows, sign * xi), exact, rtol=1e-10, atol=1e-10)


def test_jaakkola_is_a_lower_bound_in_expectation():
    """Against Gauss-Hermite quadrature of E log σ(z)."""
    mean, deviation = torch.meshgrid(grid(5, 11), torch.tensor([0.1, 1.0, 3.0]).double(), indexing="ij")
    mean, deviation = mean.reshape(-1, 1), deviation.reshape(-1, 1)
    points, weights = nodes()
    exact = (torch.nn.functional.logsigmoid(mean + deviation * points) * weights).sum(-1)
    rows = rows_of(torch.ones_like(mean))
    rows.tighten(mean, deviation.square())
    assert (bound(rows, mean, deviation.square()) <= exact + 1e-9).all()


def test_bouchard_is_a_lower_bound_everywhere():
    """Whatever ξ and the shift: log softmax lies above."""
    generator = torch.Generator().manual_seed(0)
    for classes in (2, 3, 10):
        rows = rows_of(one_hot(classes, 2000), CategoricalRows)
        z = 4 * torch.randn(2000, classes, generator=generator, dtype=torch.float64)
        rows.xi = 4 * torch.rand(2000, classes, generator=generator, dtype=torch.float64)
        rows.shift = 4 * torch.randn(2000, 1, generator=generator, dtype=torch.float64)
        exact = (rows.data * z.log_softmax(1)).sum(1)
        assert (bound(rows, z) <= exact).all()
        rows.shift = 4 * torch.randn(2000, 1, generator=generator, dtype=torch.float64)
        rows.xi = (z - rows.shift).abs()  # Jaakkola's part is tight: what is left is Bouchard's
        loss = rows.shift[:, 0] + torch.nn.functional.softplus(z - rows.shift).sum(1) - z.logsumexp(1)
        torch.testing.assert_close(exact - bound(rows, z), loss, rtol=1e-9, atol=1e-9)


def test_bouchard_is_a_lower_bound_in_expectation():
    """Against quadrature of E log softmax(z) of two classes, where z₀ − z₁ is all that counts."""
    mean = 2 * one_hot(2, 8) - torch.linspace(-3, 3, 8).double()[:, None]
    variance = torch.full_like(mean, 1.5)
    rows = rows_of(one_hot(2, 8), CategoricalRows)
    rows.tighten(mean, variance)
    points, weights = nodes()
    sign = torch.tensor([1.0, -1.0]).double()[torch.arange(8) % 2]
    gap = sign * (mean[:, 0] - mean[:, 1])
    exact = torch.nn.functional.logsigmoid(gap[:, None] + variance.sum(1, keepdim=True).sqrt() * points)
    assert (bound(rows, mean, variance) <= (exact * weights).sum(1)).all()


@pytest.mark.parametrize("kind", [BernoulliRows, CategoricalRows], ids=["binary", "categorical"])
def test_the_bound_is_tightened_to_its_optimum(kind):
    """ξ² = <(z − a)²> and the best shift: no gradient is left."""
    generator = torch.Generator().manual_seed(0)
    mean = 3 * torch.randn(50, 4, generator=generator, dtype=torch.float64)
    variance = 2 * torch.rand(50, 4, generator=generator, dtype=torch.float64)
    rows = rows_of(one_hot(4, 50), kind)
    for _ in range(5):
        rows.tighten(mean, variance)
    leaves = [rows.xi, rows.shift] if kind is CategoricalRows else [rows.xi]
    for leaf in leaves:
        leaf.requires_grad_()
    for gradient in torch.autograd.grad(bound(rows, mean, variance).sum(), leaves):
        assert gradient.abs().max() < 1e-12


@pytest.mark.parametrize("classes", [2, 5, 300])
@pytest.mark.parametrize("spread", [0.1, 3.0, 30.0])
def test_the_shift_is_the_root_of_its_equation(classes, spread):
    generator = torch.Generator().manual_seed(0)
    mean = spread * torch.randn(20, classes, generator=generator, dtype=torch.float64)
    variance = torch.rand(20, classes, generator=generator, dtype=torch.float64) + 0.01
    shift = mean.new_zeros(20, 1)
    for _ in range(30):
        shift = bouchard_shift(mean, variance, shift)

    def slope(a: float, m: np.ndarray, v: np.ndarray) -> float:
        xi = np.sqrt((m - a) ** 2 + v)
        return len(m) / 2 - 1 + (np.tanh(xi / 2) / (2 * xi) * (m - a)).sum()

    for m, v, a in zip(mean.numpy(), variance.numpy(), shift[:, 0].numpy(), strict=True):
        assert abs(slope(a, m, v)) < 1e-9
        if classes > 2:  # of two far apart the equation is flat in between
            root = brentq(slope, m.min() - 500, m.max() + 500, args=(m, v), xtol=1e-12)
            assert a == pytest.approx(root, abs=1e-4)
