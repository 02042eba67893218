"""Exact conditionals of a factor analysis, all chains at once: (C, ...) tensors, float64.

Given everything else, g_n and w̃_d = [w_d, b_d] are Gaussian: the updates of the variational posterior with points in
the place of distributions.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from pyro_favae.inference.linear_algebra import cholesky, pack, unpack
from pyro_favae.inference.sampling.table import Globals, Table

CHUNK_BYTES = 2**26  # of one precision, or of its like, for each row


class Sums(NamedTuple):
    """What a view's weights and noise need of its rows; one n and gg for all features, or one each."""

    n: Tensor  # (1 or D,)
    gg: Tensor  # (C, 1 or D, L, L)  Σ g̃ g̃ᵀ
    zg: Tensor  # (C, D, L)  Σ z g̃ᵀ
    zz: Tensor  # (D,) or (C, D)  Σ z²


def drawn(precision: Tensor, linear: Tensor, what: str) -> Tensor:
    """Draws (..., n, K) from N(Λ⁻¹ h, Λ⁻¹): precision Λ (..., K, K) shared by n linear terms h (..., n, K)."""
    root = cholesky(precision, what)
    half = torch.linalg.solve_triangular(root, linear.mT, upper=False)
    return torch.linalg.solve_triangular(root.mT, half + torch.randn_like(half), upper=True).mT


def draw_factors(table: Table, globals_: Globals) -> Tensor:
    """g | W, b, τ, z, (C, N, K): precision I + Σ τ_d w_d w_dᵀ, linear term Σ τ_d w_d (z_nd − b_d), d observed."""
    weights, bias = globals_.weights[..., :-1], globals_.weights[..., -1]
    scaled = globals_.noise[..., None] * weights
    masks, index = table.patterns
    offsets = masks @ (scaled * bias[..., None])  # (C, P, K)
    products = pack(weights[..., :, None] * scaled[..., None, :])  # (C, ΣD, K (K + 1) / 2)
    prior = torch.eye(weights.shape[-1]).to(weights)

    def given(rows: Tensor, patterns: Tensor, offset: Tensor) -> Tensor:
        """Rows (n,) of patterns (1 or n, ΣD), (C, n, K)."""
        precision = prior + unpack(patterns @ products, len(prior))
        linear = table.latents[..., rows, :] @ scaled - offset
        if len(patterns) == 1:
            return drawn(precision, linear[:, None], "factors")[:, 0]
        return drawn(precision, linear[..., None, :], "factors")[..., 0, :]

    factors = weights.new_empty(len(weights), table.n, len(prior))
    if table.pattern_rows is not None:
        for p, rows in enumerate(table.pattern_rows):
            factors[:, rows] = given(rows, masks[p : p + 1], offsets[:, p : p + 1])
    else:
        for rows in _chunks(table.n, 8 * prior.numel() * len(weights), index.device):
            factors[:, rows] = given(rows, masks[index[rows]], offsets[:, index[rows]])
    return factors


def view_sums(view: Table, factors: Tensor) -> Sums:
    """Sums over a view's rows given their factors (C, N, K)."""
    extended = pad(factors, (0, 1), value=1.0)
    zg, zz = view.latents.mT @ extended, view.latents.square().sum(-2)
    if view.whole_rows:
        present = view.mask[:, 0]
        gg = (extended * present[:, None]).mT @ extended
        return Sums(present.sum().reshape(1), gg[:, None], zg, zz)
    size = extended.shape[-1]
    packed = extended.new_zeros(*zg.shape[:-1], size * (size + 1) // 2)
    for rows in _chunks(view.n, 8 * size**2 * len(extended), extended.device):
        part = extended[:, rows]
        packed += view.mask[rows].mT @ pack(part[..., :, None] * part[..., None, :])
    return Sums(view.mask.sum(0), unpack(packed, size), zg, zz)


def draw_weights(sums: Sums, prior_precision: Tensor, noise: Tensor) -> Tensor:
    """w̃ | g, τ, prior, z, (C, D, L): precision diag(prior) + τ Σ g̃ g̃ᵀ, linear term τ Σ z g̃.

    prior_precision: of weights and bias, (C, 1 or D, L). noise: τ, (C, 1 or D).
    """
    precision = torch.diag_embed(prior_precision) + noise[..., None, None] * sums.gg
    linear = noise[..., None] * sums.zg
    if precision.shape[1] == 1:
        return drawn(precision, linear[:, None], "weights")[:, 0]
    return drawn(precision, linear[..., None, :], "weights")[..., 0, :]


def squared_residuals(sums: Sums, weights: Tensor) -> Tensor:
    """Σ_n (z_nd − w̃_dᵀ g̃_n)² over what is observed, (C, D)."""
    if sums.gg.shape[1] == 1:
        quadratic = ((weights @ sums.gg[:, 0]) * weights).sum(-1)
    else:
        quadratic = ((weights[..., None, :] @ sums.gg)[..., 0, :] * weights).sum(-1)
    return sums.zz - 2 * (weights * sums.zg).sum(-1) + quadratic


def _chunks(n: int, row_bytes: int, device: torch.device) -> tuple[Tensor, ...]:
    """Positions of n rows, as many at a time as memory allows."""
    return torch.arange(n, device=device).split(max(1, CHUNK_BYTES // row_bytes))
