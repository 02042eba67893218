"""Secant steps for the noise of logits."""

import math

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.inference import extrapolation, sweeps
from pyro_favae.inference.extrapolation import LARGEST_STEP, NoiseExtrapolation


def labels(n: int = 200, d: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)) + rng.logistic(size=(n, d))
    return (logits > 0).astype(float)


def fitted(epochs: int) -> fv.Fit:
    model = fv.FAVAE({"labels": fv.views.Bernoulli(12)}, n_factors=4)
    return fv.fit(model, {"labels": labels()}, epochs=epochs, tolerance=1e-9, seed=0, progress=False)


def test_it_gets_where_plain_updates_creep(monkeypatch):
    quick = fitted(40)
    monkeypatch.setattr(NoiseExtrapolation, "extrapolate", lambda self: False)
    slow = fitted(80)
    assert quick.ended_by == "tolerance"
    assert slow.ended_by == "epochs"
    assert quick.elbo > slow.elbo + 1
    assert quick.posterior.view("labels").noise.mean > 10 * slow.posterior.view("labels").noise.mean


def test_a_step_that_lowers_the_bound_is_taken_back(monkeypatch):
    """Steps made absurd: each is refused, and what is left are plain updates."""

    def absurd(self) -> bool:
        if len(self._sweeps) < 2:
            return False
        self.views[0].noise.rate.mul_(1e6)
        return True

    monkeypatch.setattr(NoiseExtrapolation, "extrapolate", lambda self: False)
    plain = fitted(8)
    monkeypatch.setattr(NoiseExtrapolation, "extrapolate", absurd)
    refused = fitted(8)
    assert (refused.history["elbo"].diff().dropna() >= -1e-9 * abs(refused.elbo)).all()
    assert math.isclose(refused.elbo, plain.elbo, rel_tol=1e-9)


@pytest.mark.parametrize("root", [1.0, -3.0])
def test_the_secant_of_linear_steps_ends_at_their_root(root):
    """From x → x + 0.1 (root − x), as far as the largest step allows."""
    starts = torch.tensor([root - 1.5, root + 1.2], dtype=torch.float64)
    for x in starts:
        first = x + 0.1 * (root - x)
        second = first + 0.1 * (root - first)
        beyond = extrapolation._secant(x, first, first, second)
        torch.testing.assert_close(second + beyond, torch.tensor(root, dtype=torch.float64))


def test_steps_that_grow_or_stop_are_not_extrapolated_past_the_limit():
    zero = torch.zeros(3, dtype=torch.float64)
    step = torch.tensor([1.0, 0.0, 0.5], dtype=torch.float64)
    growing = extrapolation._secant(zero, step, step, step + 2 * step)
    assert torch.isfinite(growing).all()
    assert (growing.abs() <= LARGEST_STEP).all()
    assert growing[1] == 0


def test_models_without_logits_are_left_alone(monkeypatch):
    monkeypatch.setattr(sweeps, "deepcopy", lambda state: pytest.fail("nothing to go back to"))
    data = np.random.default_rng(0).normal(size=(30, 4))
    fv.fit(fv.FAVAE({"a": fv.views.Real(4)}, 2), {"a": data}, epochs=5, seed=0, progress=False)
