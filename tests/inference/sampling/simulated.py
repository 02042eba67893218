"""Chains on small problems whose truth is known."""

import pyro
import torch
from pyro import poutine
from torch import Tensor

from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.sampling import Chains, Table
from pyro_favae.models import priors, views
from pyro_favae.models.favae import FAVAE

SIZES = {"a": 4, "b": 2}
ROWS = 5
#: a row lacks a view, others lack entries of the first
WHOLE = torch.ones(ROWS, sum(SIZES.values()), dtype=torch.float64)
WITHOUT_A_VIEW = WHOLE.clone()
WITHOUT_A_VIEW[0, : SIZES["a"]] = 0
WITHOUT_ENTRIES = WITHOUT_A_VIEW.clone()
WITHOUT_ENTRIES[1, 2] = WITHOUT_ENTRIES[3, 0] = 0
WEIGHT_PRIORS = {
    "ARD": priors.ARD(3.0, 2.0),
    "Normal": priors.Normal(2.0),
    "FeatureARD": priors.FeatureARD(3.0, 2.0, 4.0, 3.0),
    "Horseshoe": priors.Horseshoe(0.5, slab=2.0),
    "SpikeSlab": priors.SpikeSlab(3.0, 2.0, on=2.0, off=3.0, spike=0.2),
}


def declared(weights=WEIGHT_PRIORS["ARD"], per_feature: bool = False, n_factors: int = 2) -> FAVAE:
    """Two real views under proper priors; the noise of the second is known."""
    noise = priors.Gamma(3.0, 2.0, per_feature=per_feature)
    return FAVAE(
        {
            "a": views.Real(SIZES["a"], standardise="none"),
            "b": views.Real(SIZES["b"], standardise="none", noise=priors.FixedNoise(1.5)),
        },
        n_factors,
        weights=weights,
        noise=noise,
        bias_precision=1.0,
    )


def prior_draws(model: FAVAE, n: int) -> dict[str, Tensor]:
    """n draws of all that is shared, (n, ...) each, by the model's own account."""
    favae, _ = pyro_pair(model)
    drawn: dict[str, list[Tensor]] = {}
    for _ in range(n):
        for name in model.views:
            trace = poutine.trace(favae._sample_view).get_trace(name)
            for site, node in trace.nodes.items():
                kept = node["type"] == "sample" and not site.endswith(("features", "factors", "slab"))
                if kept and not node["infer"].get("_deterministic"):
                    drawn.setdefault(site, []).append(node["value"].detach())
    return {site: torch.stack(values) for site, values in drawn.items()}


def draw_data(chains: Chains) -> Table:
    """Data drawn anew for each chain, of its factors and globals, (C, N, ΣD)."""
    weights, noise = chains.globals
    mean = chains.factors @ weights[..., :-1].mT + weights[:, None, :, -1]
    mask = chains.table.mask
    latents = mean + torch.randn_like(mean) * noise[:, None] ** -0.5
    return Table(latents * mask, mask, chains.table.sizes)


def started(model: FAVAE, start: dict[str, Tensor], mask: Tensor) -> Chains:
    """Chains at values drawn from the prior, with factors and data drawn from them."""
    _, guide = pyro_pair(model)
    empty = Table(torch.zeros_like(mask), torch.zeros_like(mask), tuple(SIZES.values()))
    chains = Chains(guide, empty, start)  # factors of rows without data come from their prior
    chains.table = Table(torch.zeros_like(mask), mask, empty.sizes)
    chains.table = draw_data(chains)
    return chains


def log_joint(model: FAVAE, sites: dict[str, Tensor], data: dict[str, Tensor], observed: dict[str, Tensor]) -> Tensor:
    """log p(data, sites) by Pyro, nats."""
    favae, _ = pyro_pair(model, len(next(iter(data.values()))))
    with pyro.validation_enabled(False):
        trace = poutine.trace(poutine.condition(favae, data=sites)).get_trace(data, observed)
        return trace.log_prob_sum()
