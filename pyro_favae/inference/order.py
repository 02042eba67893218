"""A stable order and sign of the factors, which the model itself leaves open."""

from functools import reduce

import torch

from pyro_favae.inference.posterior import Posterior


@torch.no_grad()
def sort_factors(posterior: Posterior) -> None:
    """Sort factors by the weight they carry over all views, largest first, each with a positive leading weight.

    A view counts by its signal-to-noise, Σ_d τ_d w_dk². The leading weight is the largest in absolute value. Where
    a prior of weights does not treat both signs alike, every factor keeps the sign it has.
    A change of coordinates only: the bound and all predictions stay as they are.
    """
    strengths = (
        (view.noise.mean[:, None] * view.weights.weights.square()).sum(0) for view in posterior.views
    )
    strength = reduce(torch.add, strengths)
    order = strength.argsort(descending=True)
    scaled = [view.noise.mean.sqrt()[:, None] * view.weights.weights for view in posterior.views]
    weights = torch.cat(scaled)[:, order]
    leading = weights[weights.abs().argmax(0), torch.arange(len(order), device=order.device)]
    turned = (leading < 0) & all(view.relevance.symmetric for view in posterior.views)
    signs = torch.where(turned, -1.0, 1.0).to(weights)
    change = torch.eye(len(order) + 1).to(weights)
    change[:-1, :-1] = torch.diag(signs) @ torch.eye(len(order)).to(weights)[order]
    posterior.transform(change)
