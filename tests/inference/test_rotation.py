"""Rotation and centring of the factors."""

from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor

from pyro_favae.inference.covariance import RowCovariance
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.priors import WeightPriorPosterior, weight_prior_posterior
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.rows import Rows
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import WeightPrior
from pyro_favae.models.views import Real
from tests.inference.check_priors import check_weight_prior
from tests.inference.problems import COMBINATIONS, Problem, problem


def updated(name: str, sweeps: int = 3, n: int = 25) -> Problem:
    """A problem some sweeps on, its relevances at their optimum."""
    p = problem(name, n=n)
    p.sweep(sweeps)
    for view in p.posterior.views:
        view.relevance.update(view.squares, view.n_features)
    return p


def random_change(k: int, seed: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    change = torch.eye(k + 1, dtype=torch.float64)
    change[:-1] += 0.4 * torch.randn(k, k + 1, generator=generator, dtype=torch.float64)
    return change


def transformed_rows(p: Problem, rows: Rows, change: Tensor) -> Rows:
    """The rows' q in the new coordinates, moved by hand; the posterior must have moved already."""
    matrix, shift = change[:-1, :-1], change[:-1, -1]
    views = p.view_rows()
    for new, old in zip(views, rows.views, strict=True):
        if hasattr(old, "xi"):
            new.xi = old.xi
            new._at(old.xi)
    covariance = RowCovariance(matrix @ rows.covariance.matrices @ matrix.mT, rows.covariance.index)
    return Rows(views, covariance, rows.component_factors @ matrix.mT + shift, rows.responsibilities)


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


@pytest.mark.parametrize("name", COMBINATIONS)
def test_a_rotation_leaves_what_the_views_expect(name):
    p = problem(name)
    rows = p.infer(iterations=300)
    change = random_change(3)
    before = [rows.factors @ view.weights.weights.mT + view.weights.bias for view in p.posterior.views]
    p.posterior.transform(change)
    rows = transformed_rows(p, rows, change)
    for view, expected in zip(p.posterior.views, before, strict=True):
        actual = rows.factors @ view.weights.weights.mT + view.weights.bias
        torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("sweeps", [1, 4])
def test_the_predicted_gain_is_the_bounds_difference(name, sweeps):
    p = updated(name, sweeps)
    sums = p.infer(100, 1e-6).statistics()
    before = p.bound(sums)
    rotation = rotate(p.posterior, sums)
    after = p.bound(rotation.statistics)
    assert rotation.gain >= 0
    assert after - before == pytest.approx(rotation.gain, rel=1e-8, abs=1e-9 * abs(before))
    # the rows' own optimum in the new coordinates can only be better
    again = p.bound(p.infer(300, 1e-9).statistics())
    assert again >= after - 1e-9 * abs(after)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rotation_gains_where_coordinate_updates_creep(name):
    p = updated(name, sweeps=1)
    assert rotate(p.posterior, p.infer(100, 1e-6).statistics()).gain > 1e-3


def test_a_second_rotation_gains_next_to_nothing():
    p = updated("real")
    rotation = rotate(p.posterior, p.infer().statistics())
    second = rotate(p.posterior, rotation.statistics)
    assert second.gain <= 0.05 * rotation.gain


@pytest.mark.parametrize("name", COMBINATIONS)
def test_centring_is_the_best_shift(name, monkeypatch):
    """Alone it never lowers the bound, and no other shift is better."""
    monkeypatch.setattr("pyro_favae.inference.rotation._best_rotation", lambda *_: (None, 0.0))
    p = updated(name)
    with torch.no_grad():
        for view in p.posterior.views:  # far from centred, where b's prior matters
            view.weights_mean[:, -1] += view.weights_mean[:, :-1] @ torch.tensor([3.0, -2.0, 1.0]).double()
            view.relevance.update(view.squares, view.n_features)
    sums = p.infer(100, 1e-6).statistics()
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


# a prior that this package has never heard of: a class in each half, no file edited


@dataclass(frozen=True)
class SpikyRow(WeightPrior):
    """w_dk ~ N(0, 1/precision) with axes that mean something: it refuses to be rotated."""

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

    def update(self, squares: Tensor, n_features: int) -> None:
        return

    def elbo(self, squares: Tensor, n_features: int) -> Tensor:
        logs = self._precision.log() - torch.tensor(2 * torch.pi).double().log()
        return 0.5 * (n_features * logs - self._precision * squares).sum()

    def rotated_elbo(self, squares: Tensor, n_features: int) -> None:
        return None

    def sample(self, view: str) -> None:
        return


@pytest.fixture
def spiky():
    weight_prior_posterior.register(SpikyRow, lambda prior, n_factors: SpikyRowPosterior(prior, n_factors))
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


def test_a_prior_that_refuses_is_centred_but_not_rotated(spiky):
    sums = spiky.infer().statistics()
    before = spiky.bound(sums)
    weights = [view.weights.weights.clone() for view in spiky.posterior.views]
    rotation = rotate(spiky.posterior, sums)
    assert rotation.gain > 0
    assert spiky.bound(rotation.statistics) - before == pytest.approx(rotation.gain, rel=1e-6)
    for view, expected in zip(spiky.posterior.views, weights, strict=True):
        torch.testing.assert_close(view.weights.weights, expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(sums.factors.g, rotation.statistics.factors.g)
    covariance = rotation.statistics.factors.log_determinant
    torch.testing.assert_close(covariance, sums.factors.log_determinant)
