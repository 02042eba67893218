"""Rotation under priors that look at every weight on its own: exact, never a loss, towards sparse axes."""

import numpy as np
import pytest
import torch

from pyro_favae.inference.priors import weight_prior_posterior
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.sparse_rotation import SparseObjective, depends_on_axes, rotated_moments
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, Custom, FeatureARD, Horseshoe, Normal, SpikeSlab
from tests.inference.problems import problem

SPARSE = (
    SpikeSlab(),
    Horseshoe(),
    SpikeSlab(2.0, 1.0, spike=0.3),
    Custom("StudentT", df=3.0, loc=0.0, scale=0.3),
    Custom("Normal", loc=0.5, scale=1.0),
)


def learnt(prior, sweeps: int = 3):
    """Real views, some entries missing, some sweeps in."""
    p = problem("real", n=40)
    p.declaration = FAVAE(dict(p.declaration.views), p.declaration.n_factors, weights=prior)
    for view in p.posterior.views:
        view.relevance = weight_prior_posterior(prior, *view.weights.weights.shape)
        view.relevance.update(view.weights.moments)
    p.sweep(sweeps)
    return p


def objective(p) -> SparseObjective:
    sums = p.infer().statistics()
    for view in p.posterior.views:
        for _ in range(200):  # until q of what stands above the weights is at its optimum
            view.relevance.update(view.weights.moments)
    return SparseObjective(p.posterior.views, p.posterior.factors.rotation(sums.factors))


@pytest.mark.parametrize("prior", [ARD(), FeatureARD(), Normal()])
def test_priors_with_a_formula_keep_it(prior):
    assert not any(map(depends_on_axes, learnt(prior, 0).posterior.views))


@pytest.mark.parametrize("prior", SPARSE, ids=str)
def test_its_gradient_is_that_of_the_bound(prior):
    objective_ = objective(learnt(prior))
    eye = torch.eye(3, dtype=torch.float64)
    gradient = objective_.at(eye).gradient
    direction = torch.randn(3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    step = 1e-5
    ahead, behind = (objective_.at(eye + sign * step * direction).value for sign in (1, -1))
    assert (ahead - behind) / (2 * step) == pytest.approx((gradient * direction).sum().item(), rel=1e-4)


@pytest.mark.parametrize("prior", SPARSE, ids=str)
def test_it_raises_the_bound_by_what_it_says_or_more(prior):
    p = learnt(prior)
    for _ in range(5):
        sums = p.infer().statistics()
        before = p.bound(sums)
        rotation = rotate(p.posterior, sums)
        after = p.bound(rotation.statistics)
        assert after >= before + rotation.gain - 1e-9 * abs(before)
        p.sweep(1)


def test_rotated_moments_are_those_of_rotated_weights():
    view = learnt(Horseshoe()).posterior.views[0]
    matrix = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    predicted = rotated_moments(view, matrix)
    change = torch.eye(4, dtype=torch.float64)
    change[:3, :3] = torch.linalg.inv(matrix)
    view.transform(change)
    for part, expected in zip(predicted, view.weights.moments, strict=True):
        torch.testing.assert_close(part, expected)


def test_the_horseshoe_finds_the_axes_along_which_weights_are_sparse():
    p = learnt(Horseshoe(), 0)
    rng = np.random.default_rng(0)
    mixing = torch.as_tensor(np.linalg.qr(rng.normal(size=(3, 3)))[0])
    with torch.no_grad():
        for view in p.posterior.views:
            one_each = torch.eye(3, dtype=torch.float64).repeat(len(view.weights_mean), 1)
            view.weights_mean[:, :3] = one_each[: len(view.weights_mean)] @ mixing
            view.weights_covariance.copy_(1e-6 * torch.eye(4, dtype=torch.float64))
            for _ in range(50):
                view.relevance.update(view.weights.moments)
    for _ in range(20):  # each stops where it gains little
        rotate(p.posterior, p.infer().statistics())
    for view in p.posterior.views:
        weights = view.weights.weights.abs()
        assert (weights.sort(1).values[:, -2] < 0.2 * weights.amax(1)).all()


def test_a_singular_matrix_is_no_way_to_go():
    objective_ = objective(learnt(Horseshoe()))
    for matrix in (torch.zeros(3, 3), torch.full((3, 3), torch.nan)):
        assert objective_.at(matrix.double()).value == -np.inf
