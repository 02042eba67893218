"""Rotation and centring of the factors."""

from dataclasses import dataclass, replace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from pyro_favae.inference import rotation as rotation_module
from pyro_favae.inference.covariance import RowCovariance
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.priors import WeightPriorPosterior, weight_prior_posterior
from pyro_favae.inference.priors.base import Quadratic, Scaled
from pyro_favae.inference.rotation import Objective, rotate
from pyro_favae.inference.rows import Rows
from pyro_favae.inference.updates import WeightMoments
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, WeightPrior
from pyro_favae.models.views import Real
from tests.inference.check_priors import check_weight_prior
from tests.inference.problems import COMBINATIONS, LOGISTIC, Problem, problem


def updated(name: str, sweeps: int = 3, n: int = 25, seed: int = 0) -> Problem:
    """A problem some sweeps on, its relevances at their optimum."""
    p = problem(name, n=n, seed=seed)
    p.sweep(sweeps)
    for view in p.posterior.views:
        view.relevance.update(view.weights.moments)
    return p


def settled(p: Problem, iterations: int = 100, tolerance: float = 1e-6):
    """Statistics of the rows, groups' scales at their optimum given them, as they are after an update."""
    sums = p.infer(iterations, tolerance).statistics()
    if sums.factors.groups is not None:
        p.posterior.factors.update_scales(sums.factors)
    return sums


def random_change(k: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    change = torch.eye(k + 1, dtype=torch.float64)
    change[:-1] += 0.4 * torch.randn(k, k + 1, generator=generator, dtype=torch.float64)
    return change


def transformed_rows(p: Problem, rows: Rows, change: Tensor) -> Rows:
    """The rows' q in the new coordinates, moved by hand; the posterior must have moved already."""
    matrix, shift = change[:-1, :-1], change[:-1, -1]
    views = p.view_rows()
    for kind, new, old in zip(p.kinds, views, rows.views, strict=True):
        if kind in LOGISTIC:
            new.xi = old.xi
        if kind == "categorical":
            new.shift = old.shift
        if kind in LOGISTIC:
            new._at_bound()
    covariance = RowCovariance(
        matrix @ rows.covariance.matrices @ matrix.mT,
        rows.covariance.pattern_log_determinants + 2 * torch.linalg.slogdet(matrix).logabsdet,
        rows.covariance.index,
    )
    factors = rows.component_factors @ matrix.mT + shift
    return Rows(views, covariance, factors, rows.responsibilities, rows.groups)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rotated_statistics_are_those_of_rotated_rows(name):
    p = problem(name)
    rows = p.infer(iterations=300)
    change = random_change(3)
    expected = rows.statistics().rotated(change)
    p.posterior.transform(change)
    actual = transformed_rows(p, rows, change).statistics()
    for first, second in zip(
        (*expected.views, expected.factors), (*actual.views, actual.factors), strict=True
    ):
        for field in first.__dataclass_fields__:
            torch.testing.assert_close(
                getattr(second, field),
                getattr(first, field),
                rtol=1e-9,
                atol=1e-8,
                msg=lambda m, f=field: f + m,
            )


def means(p: Problem, rows: Rows) -> list[Tensor]:
    """W̄ ḡ + b̄ of each view, (rows, D)."""
    return [rows.factors @ view.weights.weights.mT + view.weights.bias for view in p.posterior.views]


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_change_of_coordinates_leaves_what_the_views_expect(name):
    p = problem(name)
    rows = p.infer(iterations=300)
    change = random_change(3)
    before = means(p, rows)
    p.posterior.transform(change)
    for actual, expected in zip(means(p, transformed_rows(p, rows, change)), before, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rotation_leaves_what_the_views_expect(name, monkeypatch):
    """On the very change that is made, where the rows are moved by it."""
    p = updated(name, sweeps=1)
    rows = p.infer(100, 1e-6)
    before, made = means(p, rows), torch.eye(4).double()
    transform = p.posterior.views[0].transform
    monkeypatch.setattr(
        p.posterior.views[0], "transform", lambda change: (made.copy_(change), transform(change))
    )
    rotate(p.posterior, rows.statistics())
    assert not torch.allclose(made[:-1, :-1], torch.eye(3).double())
    for actual, expected in zip(means(p, transformed_rows(p, rows, made)), before, strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("sweeps", [1, 4])
def test_the_predicted_gain_is_the_bounds_difference(name, sweeps):
    p = updated(name, sweeps)
    sums = settled(p)
    before = p.bound(sums)
    rotation = rotate(p.posterior, sums)
    after = p.bound(rotation.statistics)
    assert rotation.gain >= 0
    assert after - before == pytest.approx(rotation.gain, rel=1e-8, abs=1e-9 * abs(before))
    # the rows' own optimum in the new coordinates can only be better
    again = p.bound(p.infer(300, 1e-9).statistics())
    assert again >= after - 1e-9 * abs(after)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rotation_never_lowers_the_bound(name):
    """From posteriors that no sweep has touched, where F is far from its optimum."""
    for seed in range(6):
        p = updated(name, sweeps=0, n=12, seed=seed)
        sums = settled(p, 20, 1e-12)
        before = p.bound(sums)
        rotation = rotate(p.posterior, sums)
        after = p.bound(rotation.statistics)
        assert after - before == pytest.approx(rotation.gain, rel=1e-8, abs=1e-9 * abs(before))
        assert rotation.gain > 0


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rotation_gains_where_coordinate_updates_creep(name):
    p = updated(name, sweeps=1)
    assert rotate(p.posterior, settled(p)).gain > 1e-3


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_second_rotation_does_nothing(name):
    """The factors may be centred once more: where b's prior matters the best centre follows the rotation."""
    p = updated(name)
    statistics = rotate(p.posterior, settled(p)).statistics
    before = [view.weights.weights.clone() for view in p.posterior.views]
    assert 0 <= rotate(p.posterior, statistics).gain < 0.01
    for view, expected in zip(p.posterior.views, before, strict=True):
        torch.testing.assert_close(view.weights.weights, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("seed", range(2))
def test_rotation_finds_its_way_back(name, seed):
    """It regains nearly all that other coordinates cost, up to what parts neighbouring optima."""
    p = updated(name)
    statistics = rotate(p.posterior, settled(p)).statistics
    best = p.bound(statistics)
    change = random_change(3, seed)
    p.posterior.transform(change)
    statistics = statistics.rotated(change)
    lost = best - p.bound(statistics)
    assert lost > 1
    assert p.bound(rotate(p.posterior, statistics).statistics) >= best - 0.1 * lost


@pytest.mark.parametrize("name", COMBINATIONS)
def test_centring_is_the_best_shift(name, monkeypatch):
    """Alone it never lowers the bound, and no other shift is better."""
    monkeypatch.setattr(Objective, "best_rotation", lambda self: (self.eye, 0.0))
    p = updated(name)
    with torch.no_grad():
        for view in p.posterior.views:  # far from centred, where b's prior matters
            view.weights_mean[:, -1] += view.weights_mean[:, :-1] @ torch.tensor([3.0, -2.0, 1.0]).double()
            view.relevance.update(view.weights.moments)
    sums = settled(p)
    before = p.bound(sums)
    rotation = rotate(p.posterior, sums)
    best = p.bound(rotation.statistics)
    assert best - before == pytest.approx(rotation.gain, rel=1e-8, abs=1e-9 * abs(before))
    assert best >= before - 1e-9 * abs(before)
    generator = torch.Generator().manual_seed(0)
    sums = rotation.statistics
    for _ in range(10):
        change = torch.eye(4, dtype=torch.float64)
        change[:-1, -1] = 0.1 * torch.randn(3, generator=generator, dtype=torch.float64)
        p.posterior.transform(change)
        assert p.bound(sums.rotated(change)) <= best + 1e-9 * abs(best)
        p.posterior.transform(torch.linalg.inv(change))


# the objective alone, on random statistics


def random_objective(
    k: int = 8,
    features: tuple[int, ...] = (30, 12, 5),
    count: float = 100.0,
    seed: int = 0,
    diagonal: bool = False,
    groups: int = 0,
) -> Objective:
    """F of unrelated S, S_c and T_m, (K, K), of columns of very different lengths; grouped rows are not in S."""
    rng = np.random.default_rng(seed)

    def moment(vectors: int) -> Tensor:
        scale = np.exp(rng.normal(size=k))
        if diagonal:
            return torch.diag(torch.as_tensor(vectors * scale))
        sample = rng.normal(size=(vectors, k)) * scale
        return torch.as_tensor(sample.T @ sample + 0.1 * np.diag(scale**2))

    model = FAVAE({f"v{i}": Real(d) for i, d in enumerate(features)}, k, weights=ARD(0.5, 0.3))
    seconds = [moment(d) for d in features]
    if not groups:
        return Objective(Posterior(model), Quadratic(count, moment(int(count))), seconds)
    sizes = [int(count) // groups] * groups
    shapes = torch.tensor([2 + size / 2 for size in sizes]).double()
    scaled = Scaled(torch.stack([moment(size) for size in sizes]), shapes, 3.0)
    return Objective(Posterior(model), Quadratic(count + groups, moment(groups), scaled), seconds)


def value_of(objective: Objective, matrix: Tensor) -> Tensor:
    """F(R) by the formula."""
    inverse = torch.linalg.inv(matrix)
    scatter = torch.as_tensor(objective.scatter)
    value = objective.surplus * torch.linalg.slogdet(matrix).logabsdet
    value = value - 0.5 * (matrix @ scatter @ matrix.mT).trace()
    for group, shape in zip(objective.groups, objective.shapes[:, 0], strict=True):
        squares = (matrix @ torch.as_tensor(group) @ matrix.mT).diagonal()
        value = value - shape * (objective.rate + squares / 2).log().sum()
    for view, second in zip(objective.views, objective.seconds, strict=True):
        squares = (inverse.mT @ torch.as_tensor(second) @ inverse).diagonal()
        value = value + view.relevance.rotated_elbo(squares, view.n_features)
    return value


def beside(objective: Objective, matrix: np.ndarray):
    """E → F((I + E) R) of a flat E."""
    eye, matrix = torch.eye(len(matrix)).double(), torch.as_tensor(matrix)
    return lambda entries: value_of(objective, (eye + entries.reshape(eye.shape)) @ matrix)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [100.0, 20.0])  # more rows than features, and fewer
@pytest.mark.parametrize("groups", [0, 2])
def test_value_and_gradient_are_those_of_the_formula(seed, count, groups):
    objective = random_objective(count=count, seed=seed, groups=groups)
    matrix = random_change(8, seed)[:-1, :-1].numpy()
    point = objective.at(matrix)
    function, zero = beside(objective, matrix), torch.zeros(64).double()
    assert point.value == pytest.approx(float(function(zero)), rel=1e-12)
    gradient = objective.gradient(point)
    expected = torch.autograd.functional.jacobian(function, zero).numpy().reshape(8, 8)
    np.testing.assert_allclose(gradient, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())
    for direction in np.eye(64)[::7]:
        step = 1e-5 * torch.as_tensor(direction)
        slope = float(function(step) - function(-step)) / 2e-5
        assert gradient.ravel() @ direction == pytest.approx(slope, rel=1e-5, abs=1e-5 * abs(expected).max())


@pytest.mark.parametrize("groups", [0, 2])
def test_a_step_is_newtons_where_the_statistics_are_diagonal(groups, monkeypatch):
    """Between factors; along a factor the curvature is that at the optimum of its length."""
    monkeypatch.setattr(rotation_module, "LEAST_CURVATURE", 1e-6)
    objective = random_objective(count=1000.0, diagonal=True, groups=groups)
    point = objective.ascend(objective.at(objective.eye))
    hessian = torch.autograd.functional.hessian(beside(objective, point.matrix), torch.zeros(64).double())
    gradient = 0.1 * np.random.default_rng(0).normal(size=(8, 8))  # a step too short to be cut
    expected = -np.linalg.solve(hessian.numpy(), gradient.ravel()).reshape(8, 8)
    between = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(objective.step(point, gradient)[between], expected[between], rtol=1e-3)


@pytest.mark.parametrize("count", [100.0, 20.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_step_ascends_and_is_short(seed, count):
    objective = random_objective(count=count, seed=seed)
    point = objective.at(random_change(8, seed)[:-1, :-1].numpy())
    gradient = objective.gradient(point)
    step = objective.step(point, gradient)
    assert (step * gradient).sum() > 0
    assert abs(step).max() <= rotation_module.LARGEST_STEP * (1 + 1e-12)


@pytest.mark.parametrize("features", [(30,), (30, 12, 5), (40, 40, 40, 40)])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("groups", [0, 2])
def test_it_climbs_as_high_as_a_long_search(features, seed, groups):
    """L-BFGS from both starts with no limit worth the name."""
    objective = random_objective(features=features, seed=seed, groups=groups)

    def loss(entries: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.as_tensor(entries).requires_grad_()
        value = -value_of(objective, leaf.reshape(8, 8))
        value.backward()
        return float(value.detach()), leaf.grad.numpy()

    starts = [objective.eye, objective.whitening()]
    options = {"maxiter": 2000, "maxfun": 10_000, "ftol": 1e-13, "gtol": 1e-7}
    searched = [minimize(loss, s.ravel(), jac=True, method="L-BFGS-B", options=options) for s in starts]
    _, gain = objective.best_rotation()
    best = max(-one.fun for one in searched) - objective.at(objective.eye).value
    assert gain >= 0.999 * best


def test_whitening_is_the_optimum_of_a_single_view():
    """Where the relevances' prior is flat."""
    objective = random_objective(features=(30,))
    for buffer in (objective.views[0].relevance.prior_shape, objective.views[0].relevance.prior_rate):
        buffer.fill_(1e-9)
    point = objective.at(objective.whitening())
    assert abs(objective.gradient(point)).max() < 1e-6 * objective.count


def singular(matrices: np.ndarray) -> np.ndarray:
    """Matrices (..., K, K) in which the first of K has no part."""
    matrices = matrices.copy()
    matrices[..., 0, :] = matrices[..., :, 0] = 0
    return matrices


FAULTS = {
    "singular": singular,
    "zero": np.zeros_like,
    "not a number": lambda matrices: np.full_like(matrices, np.nan),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_scatter_is_not_rotated(fault):
    objective = random_objective()
    objective.scatter = FAULTS[fault](objective.scatter)
    matrix, gain = objective.best_rotation()
    assert (matrix == objective.eye).all()
    assert gain == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_weights_do_not_give_a_bad_rotation(fault):
    objective = random_objective()
    objective.seconds = FAULTS[fault](objective.seconds)
    matrix, gain = objective.best_rotation()
    assert np.isfinite(matrix).all()
    assert np.linalg.cond(matrix) < 1e6
    assert 0 <= gain < np.inf


def test_a_factor_that_no_row_has_gives_no_bad_posterior():
    p = updated("real")
    sums = p.infer().statistics()
    gg = torch.as_tensor(singular(sums.factors.gg.numpy()))
    sums = replace(sums, factors=replace(sums.factors, gg=gg, g=torch.zeros_like(sums.factors.g)))
    rotate(p.posterior, sums)
    for view in p.posterior.views:
        assert torch.isfinite(view.weights_mean).all()
        torch.linalg.cholesky(view.weights_covariance)


# a prior that this package has never heard of: a class in each half, no file edited


@dataclass(frozen=True)
class SpikyRow(WeightPrior):
    """w_dk ~ N(0, 1/precision) for which nothing but its bound tells what a rotation is worth."""

    precision: float = 2.0

    def sample(self, view: str, features: pyro.plate, n_factors: int, device) -> Tensor:
        scale = torch.full((n_factors,), self.precision, dtype=torch.float64, device=device) ** -0.5
        with features:
            return pyro.sample(f"{view}.weights", dist.Normal(torch.zeros_like(scale), scale).to_event(1))


class SpikyRowPosterior(WeightPriorPosterior):
    def __init__(self, prior: SpikyRow, n_factors: int) -> None:
        super().__init__()
        self.register_buffer(
            "_precision", torch.full((n_factors,), prior.precision).double(), persistent=False
        )

    @property
    def precision(self) -> Tensor:
        return self._precision

    def update(self, moments: WeightMoments) -> None:
        return

    def elbo(self, moments: WeightMoments) -> Tensor:
        logs = self._precision.log() - torch.tensor(2 * torch.pi).double().log()
        return 0.5 * (logs - self._precision * moments.second).sum()

    def rotated_elbo(self, squares: Tensor, n_features: int) -> None:
        return None

    def sample(self, view: str, features: pyro.plate) -> None:
        return


@pytest.fixture
def spiky():
    weight_prior_posterior.register(
        SpikyRow, lambda prior, n_features, n_factors: SpikyRowPosterior(prior, n_factors)
    )
    p = problem("real", n=25)
    views = {
        name: Real(view.latent_dim, weights=SpikyRow() if i == 1 else None)
        for i, (name, view) in enumerate(p.declaration.views.items())
    }
    p.declaration = FAVAE(views, 3, bias_precision=0.2)
    generator = torch.Generator().manual_seed(0)
    posterior = Posterior(p.declaration)
    with torch.no_grad():
        for view in posterior.views:
            view.weights_mean.copy_(torch.randn(view.weights_mean.shape, generator=generator).double())
    p.posterior = posterior
    p.sweep(2)
    return p


def test_a_new_prior_is_a_class_in_each_half(spiky):
    check_weight_prior(SpikyRow())
    last = -float("inf")
    for _ in range(5):
        spiky.sweep(1)
        value = spiky.bound(spiky.infer().statistics())
        assert value >= last - 1e-9 * abs(value)
        last = value


def test_a_prior_without_a_formula_for_rotations_is_rotated_by_its_own_bound(spiky):
    sums = spiky.infer().statistics()
    before = spiky.bound(sums)
    rotation = rotate(spiky.posterior, sums)
    assert rotation.gain > 0
    assert spiky.bound(rotation.statistics) - before == pytest.approx(rotation.gain, rel=1e-6)
    again = rotate(spiky.posterior, rotation.statistics)
    assert again.gain < 0.1 * rotation.gain
