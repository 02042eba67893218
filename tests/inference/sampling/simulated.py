"""Chains on small problems whose truth is known."""

from functools import singledispatch

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
    """n draws of all that is shared, (n, ...) each."""
    drawn = {}
    for name, view in model.views.items():
        own = weights_above(model.weights_of(name), n, view.latent_dim, model.n_factors)
        own["bias"] = torch.randn(n, view.latent_dim, dtype=torch.float64) * model.bias_precision**-0.5
        noise = model.noise_of(name)
        if isinstance(noise, priors.Gamma):
            own["noise_precision"] = gamma(noise.shape, noise.rate, n, *[view.latent_dim] * noise.per_feature)
        drawn |= {f"{name}.{site}": value for site, value in own.items()}
    return drawn


def gamma(shape: float, rate: float | Tensor, *size: int) -> Tensor:
    return torch.distributions.Gamma(shape, 1.0).sample(size).to(torch.float64) / rate


def normal(precision: Tensor) -> Tensor:
    return torch.randn_like(precision) * precision**-0.5


@singledispatch
def weights_above(prior, n: int, d: int, k: int) -> dict[str, Tensor]:
    """Draws of weights (n, D, K) and of what stands above them."""
    raise NotImplementedError(type(prior).__name__)


@weights_above.register
def _(prior: priors.Normal, n, d, k):
    return {"weights": normal(torch.full((n, d, k), prior.precision, dtype=torch.float64))}


@weights_above.register
def _(prior: priors.ARD, n, d, k):
    relevance = gamma(prior.shape, prior.rate, n, k)
    return {"relevance": relevance, "weights": normal(relevance[:, None].expand(n, d, k))}


@weights_above.register
def _(prior: priors.FeatureARD, n, d, k):
    of_factors, of_features = (
        gamma(prior.shape, prior.rate, n, k),
        gamma(prior.feature_shape, prior.feature_rate, n, d),
    )
    weights = normal(of_features[..., None] * of_factors[:, None])
    return {"relevance": of_factors, "feature_relevance": of_features, "weights": weights}


@weights_above.register
def _(prior: priors.SpikeSlab, n, d, k):
    relevance = gamma(prior.shape, prior.rate, n, k)
    inclusion = torch.distributions.Beta(prior.on, prior.off).sample((n, k)).to(torch.float64)
    on = torch.bernoulli(inclusion[:, None].expand(n, d, k))
    weights = normal(relevance[:, None].expand(n, d, k)) * torch.where(on > 0, 1.0, prior.spike)
    return {"relevance": relevance, "inclusion": inclusion, "weights": weights}


@weights_above.register
def _(prior: priors.Horseshoe, n, d, k):
    """Kept in proportion to what the slab says of the weights."""
    many = 50 * n
    rate, local_rate = gamma(0.5, prior.scale**-2, many, k), gamma(0.5, 1.0, many, d, k)
    relevance, local = gamma(0.5, rate, many, k), gamma(0.5, local_rate, many, d, k)
    weights = normal(local * relevance[:, None])
    kept = torch.rand(many).log() < -weights.square().sum((1, 2)) / (2 * prior.slab**2)
    sites = {"relevance_rate": rate, "relevance": relevance, "local_relevance_rate": local_rate}
    sites |= {"local_relevance": local, "weights": weights}
    return {name: value[kept][:n] for name, value in sites.items()}


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


def log_joint(
    model: FAVAE, sites: dict[str, Tensor], data: dict[str, Tensor], observed: dict[str, Tensor]
) -> Tensor:
    """log p(data, sites) by Pyro, nats."""
    favae, _ = pyro_pair(model, len(next(iter(data.values()))))
    with pyro.validation_enabled(False):
        trace = poutine.trace(poutine.condition(favae, data=sites)).get_trace(data, observed)
        return trace.log_prob_sum()
