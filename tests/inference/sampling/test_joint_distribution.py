"""The sampler leaves the joint distribution of everything as it is (Geweke 2004, Getting it right).

Parameters are drawn from the prior, data from these; then sweeps and data drawn anew take turns. At every moment the
parameters are still distributed as the prior, whatever an error in any conditional would make of them by and by.
"""

import pytest
import torch
from scipy.stats import ks_2samp

from tests.inference.sampling.simulated import (
    WEIGHT_PRIORS,
    WHOLE,
    WITHOUT_A_VIEW,
    WITHOUT_ENTRIES,
    declared,
    draw_data,
    prior_draws,
    started,
)

CHAINS, SWEEPS = 2000, 15
DOUBT = 1e-4  # of any one quantity


def quantities(chains) -> dict[str, torch.Tensor]:
    """What is compared, (C,) each: of single sites, of their agreement, and of how the data agree with them."""
    told = {}
    for name, value in chains.sites().items():
        value = value.reshape(len(value), -1)
        told[f"{name}, first"] = value[:, 0]
        told[f"{name}, all"] = (value.log() if (value > 0).all() else value.square()).sum(1)
        if f"{name.partition('.')[0]}.feature_relevance" == name:
            factors = chains.sites()[name.replace("feature_", "")]
            told[f"{name} and factors'"] = value.log().sum(1) - factors.log().sum(1)
    weights, noise = chains.globals
    g = chains.factors
    mean = g @ weights[..., :-1].mT + weights[:, None, :, -1]
    residuals = (chains.table.latents - mean) * chains.table.mask
    told["a factor"], told["their lengths"] = g[:, 0, 0], g.square().sum((1, 2))
    told["their means"], told["their angle"] = g.sum(1).square().sum(1), (g[..., 0] * g[..., 1]).sum(1)
    told["angle of weights"] = (weights[..., 0] * weights[..., 1]).sum(1)
    told["misfit"] = (residuals.square() * noise[:, None]).sum((1, 2))
    told["fit and bias"] = (mean.mean(1) * weights[..., -1]).sum(1)
    for view in chains.views:
        squares = view.weights.square() * view.prior_precision
        told[f"{view.posterior.name}: weights by their precision"] = squares.sum((1, 2))
    return told


CASES = [
    ("ARD", False, WHOLE),
    ("ARD", True, WITHOUT_ENTRIES),
    ("Normal", False, WITHOUT_A_VIEW),
    ("FeatureARD", True, WITHOUT_A_VIEW),
    ("Horseshoe", False, WITHOUT_ENTRIES),
    ("SpikeSlab", False, WHOLE),
]


@pytest.mark.parametrize(("name", "per_feature", "mask"), CASES)
def test_prior_and_data_drawn_in_turns_stay_the_prior(name, per_feature, mask):
    torch.manual_seed(1)
    model = declared(WEIGHT_PRIORS[name], per_feature)
    drawn = prior_draws(model, 2 * CHAINS)
    with torch.no_grad():
        halves = (
            {site: value[part] for site, value in drawn.items()}
            for part in (slice(CHAINS), slice(CHAINS, None))
        )
        chains, fresh = (started(model, half, mask) for half in halves)
        for _ in range(SWEEPS):
            chains.sweep()
            chains.table = draw_data(chains)
    expected = quantities(fresh)
    for what, value in quantities(chains).items():
        p = ks_2samp(value.numpy(), expected[what].numpy()).pvalue
        assert p > DOUBT, f"{what}: p = {p:.2g}"
