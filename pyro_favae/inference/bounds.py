"""Bounds that make a non-Gaussian likelihood quadratic."""

import torch
from torch import Tensor


def jaakkola_curvature(xi: Tensor) -> Tensor:
    """λ(ξ) = tanh(ξ/2) / (4ξ), 1/8 at ξ = 0. Jaakkola and Jordan (1997)."""
    small = xi.abs() < 1e-4
    safe = torch.where(small, torch.ones_like(xi), xi)
    return torch.where(small, 1 / 8 - xi.square() / 96, torch.tanh(safe / 2) / (4 * safe))


def jaakkola_bound(data: Tensor, mean: Tensor, second_moment: Tensor, xi: Tensor) -> Tensor:
    """Lower bound, in nats, on E_q log Bernoulli(data | σ(z)), element by element.

    log σ(ξ) − ξ/2 + (x − ½)<z> − λ(ξ)(<z²> − ξ²); tight in expectation at ξ² = <z²>.
    """
    curvature = jaakkola_curvature(xi) * (second_moment - xi.square())
    return torch.nn.functional.logsigmoid(xi) - xi / 2 + (data - 0.5) * mean - curvature
