"""Posterior covariances of the factors, one for each missing-view pattern or one for each row."""

from typing import NamedTuple

import torch
from torch import Tensor

from pyro_favae.inference.linear_algebra import inverse_of_precision


class RowCovariance(NamedTuple):
    """Cov(g_n | z_n, component) = matrices[index[n]]: matrices (P, K, K), index (rows,)."""

    matrices: Tensor
    index: Tensor

    @property
    def per_row(self) -> bool:
        """Whether each row has a matrix of its own."""
        return len(self.matrices) == len(self.index)

    def times(self, vectors: Tensor) -> Tensor:
        """Cov_n @ v_n for vectors (rows, C, K)."""
        if len(self.matrices) == 1:
            return vectors @ self.matrices[0]
        if self.per_row:
            return vectors @ self.matrices[self.index]
        product = torch.empty_like(vectors)
        for pattern, matrix in enumerate(self.matrices):
            rows = self.index == pattern
            product[rows] = vectors[rows] @ matrix
        return product

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the rows of each matrix: values (rows, ...) → (P, ...)."""
        sums = values.new_zeros(len(self.matrices), *values.shape[1:])
        return sums.index_add(0, self.index, values)

    def log_determinants(self) -> Tensor:
        """log |Cov_n|, (rows,)."""
        return torch.linalg.slogdet(self.matrices).logabsdet[self.index]

    def conditioned(self, factor: Tensor, weights: Tensor) -> "RowCovariance":
        """Covariances after adding factorᵀ diag(weights_n) factor to the precisions: (D, K), (rows, D) ≥ 0.

        Sherman-Morrison-Woodbury on D×D matrices where that is smaller than K×K.
        """
        features, size = factor.shape
        index = torch.arange(len(self.index), device=self.index.device)
        if features >= size:
            base = torch.linalg.inv(self.matrices)[self.index]
            added = (factor.mT * weights[:, None, :]) @ factor
            return RowCovariance(inverse_of_precision(base + added, "factors"), index)
        covariance = self.matrices[self.index]
        projected = (self.matrices @ factor.mT)[self.index]  # (rows, K, D)
        root = weights.sqrt()
        small = root[:, :, None] * (factor @ self.matrices @ factor.mT)[self.index] * root[:, None, :]
        small = small + torch.eye(features).to(small)
        scaled = projected * root[:, None, :]
        removed = scaled @ inverse_of_precision(small, "factors") @ scaled.mT
        return RowCovariance(covariance - removed, index)
