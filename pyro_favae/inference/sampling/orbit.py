"""Moves along g̃ → A g̃, W̃ → W̃ A⁻¹, which change no likelihood: where a Gibbs sampler would creep.

Given the factors, weights can hardly change their scale, and given the weights, factors cannot; together they can. A
is drawn from the posterior along its orbit with respect to Haar measure, which leaves the posterior as it is (Liu and
Sabatti 2000, generalised Gibbs sampling): shears one column at a time, whose posterior is Gaussian, the column of
ones, which is a shift of the factors into the bias, among them; then lengths, by a Metropolis step. All of it needs
Σ g̃ g̃ᵀ and the weights' second moments alone. It is what the rotation is to the variational posterior.
"""

import torch
from torch import Tensor

from pyro_favae.inference.sampling.conditionals import drawn
from pyro_favae.inference.scale_step import draw_scale


def draw_change(
    scatter: Tensor, weights: list[Tensor], precisions: list[Tensor], n: int, features: int
) -> Tensor:
    """A of one draw, (C, L, L); its last row is (0, 1).

    scatter: Σ g̃ g̃ᵀ over all n rows, (C, L, L). weights: w̃ of each view, (C, D, L), ``features`` in all. precisions:
    of their prior, (C, 1 or D, L).
    """
    rows, precision = _compressed(weights, precisions)
    change = torch.eye(scatter.shape[-1]).to(scatter).expand_as(scatter).clone()
    for column in range(len(scatter[0])):
        shear = _draw_shear(column, scatter, rows, precision)
        rows[..., column] -= (rows @ shear[..., None])[..., 0]
        change = change + shear[..., :, None] * change[..., column : column + 1, :]
        scatter = _sheared(scatter, shear, column)
    up, down = scatter.diagonal(dim1=-2, dim2=-1) / 2, (precision * rows.square()).sum(-2) / 2
    scale = draw_scale((n - features) / 2, up[..., :-1], down[..., :-1]).sqrt()
    change[..., :-1, :] *= scale[..., None]
    return change


def _compressed(weights: list[Tensor], precisions: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows (C, ·, L) with precisions that stand for the weights: L of them where a view's features have the same."""
    rows, spread = [], []
    for w, precision in zip(weights, precisions, strict=True):
        alike = precision.shape[1] == 1 and w.shape[1] > w.shape[2]
        rows.append(torch.linalg.qr(w, mode="r").R if alike else w)
        spread.append(precision.expand_as(rows[-1]))
    return torch.cat(rows, 1), torch.cat(spread, 1)


def _draw_shear(column: int, scatter: Tensor, rows: Tensor, precision: Tensor) -> Tensor:
    """c of g_k → g_k + c_k g̃_l for the column l, w̃_l → w̃_l − W c: (C, L), 0 for l itself and for the ones."""
    pull = precision[..., column, None] * rows
    curvature, linear = pull.mT @ rows, pull.mT @ rows[..., column, None]
    fixed = [column, scatter.shape[-1] - 1]
    free = torch.ones_like(scatter[..., 0])
    free[..., fixed] = 0
    linear = (linear[..., 0] - scatter[..., column]) * free
    curvature = curvature * free[..., :, None] * free[..., None, :]
    own = scatter[..., column, column, None]
    curvature.diagonal(dim1=-2, dim2=-1).add_(own * free + (1 - free))
    return drawn(curvature, linear[..., None, :], "factors")[..., 0, :] * free


def _sheared(scatter: Tensor, shear: Tensor, column: int) -> Tensor:
    """A S Aᵀ with A = I + c e_lᵀ."""
    scatter = scatter + shear[..., :, None] * scatter[..., column : column + 1, :]
    return scatter + scatter[..., :, column, None] * shear[..., None, :]
