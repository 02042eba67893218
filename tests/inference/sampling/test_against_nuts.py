"""The sampler against Pyro's NUTS on the same model."""

import pytest
import torch

from pyro_favae.inference.sampling import Chains, Table
from pyro_favae.results.draws import global_draws


@pytest.mark.slow
def test_nuts_agrees(nuts):
    data, (_, guide), by_nuts = nuts
    torch.manual_seed(0)
    latents = torch.cat(list(data.values()), 1)
    table = Table(latents, torch.ones_like(latents), tuple(values.shape[1] for values in data.values()))
    kept = []
    with torch.no_grad():
        chains = Chains(guide, table, global_draws(guide, 4))
        for sweep in range(600):
            chains.sweep()
            if sweep >= 100:
                kept.append(chains.sites())
    drawn = {site: torch.stack([one[site] for one in kept]).flatten(0, 1) for site in kept[0]}
    by_nuts = identified(by_nuts)
    for what, ours in identified(drawn).items():
        exact = by_nuts[what]
        away = (ours.mean(0) - exact.mean(0)).abs() / exact.std(0)
        assert away.max() < 0.4, what  # some hundred effective draws of NUTS's: a standard error of 0.1
        ratio = ours.std(0) / exact.std(0)
        assert ratio.min() > 0.7, what
        assert ratio.max() < 1.4, what


def identified(draws: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What the sign of the factor does not change."""
    weights = torch.cat([draws["a.weights"], draws["b.weights"]], 1)
    told = {"W Wᵀ": weights @ weights.mT}
    return told | {site: draws[site] for site in draws if not site.endswith("weights")}
