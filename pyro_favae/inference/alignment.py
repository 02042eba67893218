"""New networks that begin with what other views already know: their latents are drawn to the others' factors."""

from collections.abc import Collection

import torch
from torch import Tensor

from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.posterior import ViewPosterior

CARRIED = 0.99  # share of a latent's standard deviation that factors are to account for


@torch.no_grad()
def trust_components(view: ViewPosterior) -> None:
    """Count what principal components explain of a view as factors, and little of it as noise.

    A view by itself gives no reason to: the latents of a VAE are as good as independent, and an analysis of common
    factors would find none. Those that another view is about to share they will be.
    """
    variance = (1 / view.noise.mean).expand(view.n_features)
    view.weights_mean[:, :-1] *= CARRIED
    explained = view.weights.weights.square().sum(1)
    view.noise.start((variance - explained).clamp(min=(1 - CARRIED**2) * variance))
    view.relevance.update(view.weights.moments)


@torch.no_grad()
def align(guide: FAVAEGuide, name: str) -> None:
    """Let each latent of the named view stand for one factor of the others: z_d = 0.99 g_k + noise, of variance 1.

    The factors that the other views tell most about come first. Latents beyond them are standard normal.
    """
    known = information(guide, [other for other in guide.names if other != name])
    order = known.argsort(descending=True)
    order = order[known[order] > 1]  # the others say more of these factors than their prior does
    view = guide.posterior.view(name)
    count = min(view.n_features, len(order))
    view.weights_mean.zero_()
    view.weights_mean[torch.arange(count, device=order.device), order[:count]] = CARRIED
    view.noise.start(1 - view.weights.weights.square().sum(1))
    view.relevance.update(view.weights.moments)


def information(guide: FAVAEGuide, names: Collection[str]) -> Tensor:
    """Precision that a row which has all named views adds to each factor, Σ_m Σ_d τ_d <w_dk²>, (K,)."""
    snapshot = guide.snapshot()
    moments = [snapshot.views[name].second_moment.diagonal()[:-1] for name in names]
    return torch.stack(moments).sum(0)
