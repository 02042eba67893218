"""Posterior covariances of the factors, one for each missing-data pattern or one for each row."""

from typing import NamedTuple

import torch
from torch import Tensor

from pyro_favae.inference.linear_algebra import cholesky

#: patterns up to which a loop over them is faster than a matrix for each row
FEW_PATTERNS = 16


class PatternCovariance(NamedTuple):
    """Covariances (P, K, K) and their log determinants (P,)."""

    matrices: Tensor
    log_determinants: Tensor

    @classmethod
    def of(cls, precision: Tensor) -> "PatternCovariance":
        """Invert precisions (P, K, K)."""
        root = cholesky(precision, "factors")
        log_determinants = -2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return cls(torch.cholesky_inverse(root), log_determinants)


class RowCovariance(NamedTuple):
    """Cov(g_n | z_n, component) = matrices[index[n]]: matrices (P, K, K), index (rows,)."""

    matrices: Tensor
    pattern_log_determinants: Tensor
    index: Tensor

    @property
    def few(self) -> bool:
        """Whether a loop over the matrices is faster than one for each row."""
        return len(self.matrices) <= FEW_PATTERNS

    def times(self, vectors: Tensor) -> Tensor:
        """Cov_n @ v_n for vectors (rows, C, K)."""
        if len(self.matrices) == 1:
            return vectors @ self.matrices[0]
        if not self.few:
            return vectors @ self.matrices[self.index]
        product = torch.empty_like(vectors)
        for pattern, matrix in enumerate(self.matrices):
            rows = self.index == pattern
            product[rows] = vectors[rows] @ matrix
        return product

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the rows of each matrix: values (rows, ...) → (P, ...)."""
        if len(self.matrices) == 1:
            return values.sum(0, keepdim=True)
        sums = values.new_zeros(len(self.matrices), *values.shape[1:])
        return sums.index_add(0, self.index, values)

    @property
    def log_determinants(self) -> Tensor:
        """log |Cov_n|, (rows,)."""
        return self.pattern_log_determinants[self.index]


class RowGroups(NamedTuple):
    """Which of G groups of the factors' prior each row is of; the last is that of rows whose group is not known."""

    index: Tensor  # (rows,)
    count: int  # G

    @property
    def members(self) -> Tensor:
        """1 where a row is known to be of a group, (rows, G − 1), float64."""
        return torch.nn.functional.one_hot(self.index, self.count)[:, :-1].to(torch.float64)


class Patterns(NamedTuple):
    """What the covariance of a row's factors depends on: rows of one pattern miss the same, and are of one group."""

    masks: Tensor  # (P, width) of 0 and 1
    groups: Tensor  # (P,)
    index: Tensor  # (rows,) which pattern each row is of

    @classmethod
    def of(cls, masks: Tensor, index: Tensor, groups: RowGroups) -> "Patterns":
        """Missing-data patterns (P, width), each row's index into them, and each row's group."""
        if groups.count == 1:
            return cls(masks, groups.index.new_zeros(len(masks)), index)
        pairs, index = torch.unique(index * groups.count + groups.index, return_inverse=True)
        return cls(masks[pairs // groups.count], pairs % groups.count, index)

    @property
    def key(self) -> bytes:
        """The same for the same masks and groups in the same order."""
        masks = self.masks.to(torch.uint8).cpu().numpy().tobytes()
        return masks + self.groups.cpu().numpy().tobytes()


def group_patterns(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of masks (rows, width) of 0 and 1, (P, width), and which of them each row is, (rows,)."""
    if bool(masks.all()):
        return masks[:1], torch.zeros(len(masks), dtype=torch.long, device=masks.device)
    generator = torch.Generator().manual_seed(0)
    direction = torch.rand(masks.shape[1], generator=generator, dtype=torch.float64).to(masks.device)
    values, index = torch.unique((masks * direction).sum(1), return_inverse=True)
    first = torch.empty(len(values), dtype=torch.long, device=masks.device)
    first[index] = torch.arange(len(masks), device=masks.device)
    patterns = masks[first]
    if torch.equal(patterns[index], masks):
        return patterns, index
    return torch.unique(masks, dim=0, return_inverse=True)
