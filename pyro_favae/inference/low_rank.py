"""q of rows whose views of logits have fewer features than there are factors: no K×K matrix for any row.

A row's precision is that of its pattern plus Σ_d r_nd (w̄_d w̄_dᵀ + Cov w_d), r its entries' precisions: a matrix for
the pattern and one of rank D for the row, but for the uncertainty of the weights. That counts here with the r of the
pattern's average row, so that the row's covariance is C − C W̄ᵀ T_n W̄ C, T_n a D×D matrix (Woodbury). Its mean counts
the rest, Δ_n = Σ_d (r_nd − r̄_d) Cov w_d, to first order. q(g_n) so restricted is no less valid, and what it loses of
the bound is of second order in Δ_n: it is estimated beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pyro_favae.inference.covariance import PatternCovariance, RowCovariance, pattern_product
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.inference.updates import WeightsPosterior


@dataclass(frozen=True)
class Logits:
    """Weights of the logits of all views together, D of them, and what a batch's entries say of them."""

    weights: Tensor  # (D, K) posterior mean
    spread: Tensor  # (D, K, K) posterior covariance
    precision: Tensor  # (rows, D), r

    @classmethod
    def of(cls, weights: Sequence[WeightsPosterior], precisions: Sequence[Tensor]) -> "Logits":
        """Of several views' weights (D_m, L) and entries' precisions (rows, D_m)."""
        spreads = [q.covariance[:, :-1, :-1].expand(len(q.mean), -1, -1) for q in weights]
        return cls(
            torch.cat([q.weights for q in weights]), torch.cat(spreads), torch.cat(list(precisions), 1)
        )

    @classmethod
    def none(cls, rows: int, like: Tensor) -> "Logits":
        """No logits, of the type and on the device of ``like``, (P, K, K)."""
        size = like.shape[-1]
        return cls(like.new_zeros(0, size), like.new_zeros(0, size, size), like.new_zeros(rows, 0))


class LowRankCovariance:
    """Cov(g_n | z_n, component) = C − G T_n Gᵀ with C and G = C W̄ᵀ of the row's pattern."""

    def __init__(self, precision: Tensor, index: Tensor, logits: Logits) -> None:
        """precision: of the factors without logits, by pattern, (P, K, K). index: the rows' patterns, (rows,)."""
        self.logits, self._patterns = logits, index
        counts = torch.bincount(index, minlength=len(precision))
        totals = logits.precision.new_zeros(len(precision), logits.precision.shape[1])
        mean = totals.index_add(0, index, logits.precision) / counts[:, None].clamp_min(1)
        self.deviation = logits.precision - mean[index]  # r − r̄
        shared = PatternCovariance.of(precision + torch.einsum("pd,dkl->pkl", mean, logits.spread))
        self.shared = RowCovariance(*shared, index)
        self.gain = self.shared.matrices @ logits.weights.mT  # G, (P, K, D)
        self.projected = logits.weights @ self.gain  # W̄ C W̄ᵀ, (P, D, D)
        root = logits.precision.sqrt()
        scaled = root[:, :, None] * self.projected[index] * root[:, None, :]
        factor = cholesky(scaled + torch.eye(scaled.shape[-1]).to(scaled), "factors")
        self.correction = torch.cholesky_solve(torch.diag_embed(root), factor) * root[:, :, None]  # T
        self._log_ratio = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    own = True  # whether each row has a matrix of its own, in order

    @property
    def index(self) -> Tensor:
        """Each row has a matrix of its own."""
        return torch.arange(len(self.correction), device=self.correction.device)

    @cached_property
    def matrices(self) -> Tensor:
        """All of them, (rows, K, K)."""
        gain = self.gain[self.shared.index]
        return self.shared.matrices[self.shared.index] - gain @ self.correction @ gain.mT

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the rows of each matrix, one: the same values (rows, ...)."""
        return values

    def of_rows(self, values: Tensor) -> Tensor:
        """What the matrices' values (rows, ...) are for each row: the same."""
        return values

    @property
    def log_determinants(self) -> Tensor:
        """log |Cov_n|, (rows,)."""
        return self.shared.log_determinants - self._log_ratio

    def times(self, vectors: Tensor) -> Tensor:
        """Cov_n @ v_n for vectors (rows, C, K)."""
        seen = pattern_product(vectors, self.gain, self.shared.index) @ self.correction
        return self.shared.times(vectors) - pattern_product(seen, self.gain.mT, self.shared.index)

    def refined(self, component_factors: Tensor, responsibilities: Tensor) -> Tensor:
        """Means (rows, C, K) of which each row's is moved to where its whole precision puts it, to first order."""
        mean = (responsibilities[:, None] @ component_factors)[:, 0]
        excess = torch.zeros_like(mean)  # Δ_n mean_n
        for deviation, spread in zip(self.deviation.mT, self.logits.spread, strict=True):
            excess += deviation[:, None] * (mean @ spread)
        return component_factors - self.times(excess[:, None])

    def loss(self) -> float:
        """Nats of the bound that the restriction costs the rows, to second order: about Σ_n ¼ tr(C Δ_n C Δ_n)."""
        scatter = self.shared.totals(self.deviation[:, :, None] * self.deviation[:, None, :])  # (P, D, D)
        seen = self.logits.spread @ self.shared.matrices[:, None]  # Cov w_d C, (P, D, K, K)
        return 0.25 * float((scatter * (seen.flatten(2) @ seen.mT.flatten(2).mT)).sum())
