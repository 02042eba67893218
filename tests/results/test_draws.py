"""Draws of what the rows share, all at once."""

import numpy as np
import pyro.distributions as dist
import pytest
import torch

import pyro_favae as fv
from pyro_favae.results.draws import global_draws, sampled, seeded

WEIGHTS = {
    "ard": fv.priors.ARD(),
    "feature ard": fv.priors.FeatureARD(),
    "normal": fv.priors.Normal(),
    "spike and slab": fv.priors.SpikeSlab(),
    "horseshoe": fv.priors.Horseshoe(),
    "custom": fv.priors.Custom(dist.Laplace(0.0, 1.0)),
}
FACTORS = (fv.priors.StandardNormal(), fv.priors.Mixture(2), fv.priors.Grouped(("here", "there")))


def guide_of(weights, factors):
    noise = fv.priors.Gamma(2, 2, per_feature=True)
    views = {"a": fv.views.Real(3, noise=noise), "b": fv.views.Bernoulli(2)}
    torch.manual_seed(0)
    guide = fv.pyro_pair(fv.FAVAE(views, 2, weights=weights, factors=factors), 10)[1]
    for view in guide.posterior.views:
        view.weights_mean.normal_()
    return guide


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("factors", FACTORS, ids=lambda prior: type(prior).__name__)
def test_many_draws_are_of_the_sites_of_one(weights, factors):
    guide = guide_of(weights, factors)
    with seeded(guide, 0):
        one, many = sampled(guide.posterior.sample), global_draws(guide, 7)
    assert {name: (7, *value.shape) for name, value in one.items()} == {
        name: tuple(value.shape) for name, value in many.items()
    }
    for name, value in many.items():
        assert len(value.reshape(7, -1).unique(dim=0)) == 7, name


def test_draws_have_the_posteriors_moments():
    guide = guide_of(fv.priors.ARD(), fv.priors.StandardNormal())
    view = guide.posterior.view("a")
    root = torch.tensor([[1.0, 0, 0], [0.5, 0.6, 0], [-0.3, 0.2, 0.4]], dtype=torch.float64)
    view.weights_covariance = (root @ root.T)[None]
    with seeded(guide, 0):
        drawn = global_draws(guide, 4000)
    joint = torch.cat([drawn["a.weights"], drawn["a.bias"][..., None]], -1)
    centred = joint - view.weights_mean
    covariance = torch.einsum("sdk,sdl->dkl", centred, centred) / 4000
    assert (covariance - view.weights_covariance).abs().max() < 0.1
    noise = drawn["a.noise_precision"]
    assert torch.allclose(noise.mean(0), view.noise.mean, atol=5 / 4000**0.5)


def test_a_seed_repeats_them_and_leaves_the_generator_alone():
    guide = guide_of(fv.priors.ARD(), fv.priors.StandardNormal())
    before, runs = torch.get_rng_state(), []
    for _ in range(2):
        with seeded(guide, 3):
            runs.append(global_draws(guide, 2)["b.weights"].numpy())
    np.testing.assert_array_equal(*runs)
    assert torch.equal(before, torch.get_rng_state())
