"""Bounds that make a non-Gaussian likelihood quadratic."""

import torch
from torch import Tensor

SHIFT_STEPS, MAX_SHIFT = 4, 3.0  # Newton steps, and the logits that one may go


def jaakkola_curvature(xi: Tensor) -> Tensor:
    """λ(ξ) = tanh(ξ/2) / (4ξ), 1/8 at ξ = 0. Jaakkola and Jordan (1997)."""
    small = xi.abs() < 1e-4
    safe = torch.where(small, torch.ones_like(xi), xi)
    return torch.where(small, 1 / 8 - xi.square() / 96, torch.tanh(safe / 2) / (4 * safe))


def bouchard_shift(mean: Tensor, variance: Tensor, shift: Tensor) -> Tensor:
    """The shift a, (rows, 1), that maximises Bouchard's bound with each ξ_c² = var_c + (m_c − a)² at its optimum.

    The root of C/2 − 1 + Σ_c 2 λ(ξ_c) (m_c − a), which falls in a, by Newton steps; mean and variance (rows, C).
    """
    for _ in range(SHIFT_STEPS):
        gap = mean - shift
        xi = (variance + gap.square()).sqrt()
        curvature = 2 * jaakkola_curvature(xi)
        value = mean.shape[1] / 2 - 1 + (curvature * gap).sum(1, keepdim=True)
        sech = 1 / torch.cosh((xi / 2).clamp_max(300)).square()
        slope = curvature + (gap.square() / xi.square()) * (sech / 4 - curvature)
        shift = shift + (value / slope.sum(1, keepdim=True)).clamp(-MAX_SHIFT, MAX_SHIFT)
    return shift
