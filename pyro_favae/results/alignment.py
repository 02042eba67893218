"""Draws of factors that were rotated, reordered and mirrored at random, turned towards those of a fit."""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from pyro_favae.inference.posterior import Posterior

Sites = Mapping[str, Tensor]  # (chains, draws, ...) by the model's names


def rotated(sites: Sites, posterior: Posterior) -> dict[str, Tensor]:
    """By the orthogonal matrix that brings all weights closest to those of q, in units of the noise.

    Schönemann (1966). What stands above the weights belongs to the axes that they had, and is left out.
    """
    left, _, right = torch.linalg.svd(_resemblance(sites, posterior))
    kept = [f"{name}.{site}" for name in posterior.names for site in ("bias", "noise_precision")]
    turned = {f"{name}.weights": sites[f"{name}.weights"] @ (left @ right) for name in posterior.names}
    return turned | {name: sites[name] for name in kept if name in sites}


def reordered(sites: Sites, posterior: Posterior) -> dict[str, Tensor]:
    """By order and sign alone, the assignment of the weights' columns to those of q that correlates most."""
    resemblance = _resemblance(sites, posterior)
    weights = [f"{name}.weights" for name in posterior.names]
    lengths = torch.cat([sites[name] for name in weights], -2).norm(dim=-2).clamp_min(1e-300)
    scores = (resemblance / lengths[..., None]).abs().flatten(0, -3).numpy()
    assigned = np.stack([linear_sum_assignment(score.T, maximize=True)[1] for score in scores])
    order = torch.as_tensor(assigned).reshape(lengths.shape)
    own = resemblance.gather(-2, order[..., None, :])[..., 0, :]
    sign = torch.where(own < 0, -1.0, 1.0)
    changed = {name: _taken(value, order) if has_factors(name) else value for name, value in sites.items()}
    return changed | {name: changed[name] * sign[..., None, :] for name in weights}


def has_factors(site: str) -> bool:
    """Whether the last dimension of a view's global site is that of the factors, not of the features."""
    own = site.rpartition(".")[2]
    return own not in ("bias", "noise_precision", "communality") and not own.startswith("feature")


def _taken(value: Tensor, order: Tensor) -> Tensor:
    """The last dimension in another order in each draw."""
    index = order if value.dim() == order.dim() else order[..., None, :].expand_as(value)
    return value.gather(-1, index)


def _resemblance(sites: Sites, posterior: Posterior) -> Tensor:
    """Inner products of each draw's columns of weights with those of q, by the noise, (chains, draws, K, K)."""
    targets = [(view.noise.mean[:, None] * view.weights.weights).cpu() for view in posterior.views]
    weights = torch.cat([sites[f"{name}.weights"] for name in posterior.names], -2)
    return weights.mT @ torch.cat(targets)
