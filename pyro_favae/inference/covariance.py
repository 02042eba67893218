"""Posterior covariances of the factors, one for each missing-data pattern or one for each row."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from pyro_favae.data.observed import on_device
from pyro_favae.inference.linear_algebra import cholesky, inverse_of_root
from pyro_favae.inference.watch import asking_waits

#: patterns up to which a loop over them is faster than a matrix for each row
FEW_PATTERNS = 16


def pattern_product(vectors: Tensor, matrices: Tensor, index: Tensor) -> Tensor:
    """vectors_n @ matrices[index[n]] for vectors (rows, C, K) and matrices (P, K, J): (rows, C, J)."""
    if len(matrices) == 1:
        return vectors @ matrices[0]
    if len(matrices) > FEW_PATTERNS or asking_waits(vectors):
        return vectors @ matrices[index]
    product = vectors.new_empty(*vectors.shape[:2], matrices.shape[2])
    for pattern, matrix in enumerate(matrices):
        rows = index == pattern
        product[rows] = vectors[rows] @ matrix
    return product


class PatternCovariance(NamedTuple):
    """Covariances (P, K, K) and their log determinants (P,)."""

    matrices: Tensor
    log_determinants: Tensor

    @classmethod
    def of(cls, precision: Tensor) -> "PatternCovariance":
        """Invert precisions (P, K, K)."""
        root = cholesky(precision, "factors")
        log_determinants = -2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return cls(inverse_of_root(root), log_determinants)


class FactorCovariance(Protocol):
    """Covariances of rows' factors given their latents, however they are held: P matrices for all rows."""

    @property
    def matrices(self) -> Tensor:
        """(P, K, K)."""

    @property
    def own(self) -> bool:
        """Whether each row has a matrix of its own, in order."""

    @property
    def log_determinants(self) -> Tensor:
        """log |Cov_n|, (rows,)."""

    def times(self, vectors: Tensor) -> Tensor:
        """Cov_n @ v_n for vectors (rows, C, K)."""

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the rows of each matrix: values (rows, ...) → (P, ...)."""

    def of_rows(self, values: Tensor) -> Tensor:
        """What the matrices' values (P, ...) are for each row, (rows, ...)."""


class RowCovariance(NamedTuple):
    """Cov(g_n | z_n, component) = matrices[index[n]]: matrices (P, K, K), index (rows,)."""

    matrices: Tensor
    pattern_log_determinants: Tensor
    index: Tensor  # type: ignore[assignment]  # hides a tuple's own
    own: bool = False  # whether each row has a matrix of its own, in order

    def times(self, vectors: Tensor) -> Tensor:
        """Cov_n @ v_n for vectors (rows, C, K)."""
        if self.own:
            return vectors @ self.matrices
        return pattern_product(vectors, self.matrices, self.index)

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the rows of each matrix: values (rows, ...) → (P, ...)."""
        if len(self.matrices) == 1:
            return values.sum(0, keepdim=True)
        if self.own:
            return values
        sums = values.new_zeros(len(self.matrices), *values.shape[1:])
        return sums.index_add(0, self.index, values)

    def of(self, some: Callable[[Tensor], Tensor]) -> "RowCovariance":
        """Those of some rows, which are picked from values (rows, ...)."""
        if not self.own:
            return self._replace(index=some(self.index))
        matrices, logs = some(self.matrices), some(self.pattern_log_determinants)
        return RowCovariance(matrices, logs, self.index[: len(matrices)], own=True)

    def of_rows(self, values: Tensor) -> Tensor:
        """What the matrices' values (P, ...) are for each row, (rows, ...)."""
        return values if self.own else values[self.index]

    @property
    def log_determinants(self) -> Tensor:
        """log |Cov_n|, (rows,)."""
        return self.of_rows(self.pattern_log_determinants)


class RowGroups(NamedTuple):
    """Which of G groups of the factors' prior each row is of; the last is that of rows whose group is not known."""

    host: Tensor  # (rows,), in host memory
    count: int  # type: ignore[assignment]  # G; hides a tuple's own
    device: torch.device

    @property
    def index(self) -> Tensor:  # type: ignore[override]  # hides a tuple's own
        """The same on the device."""
        return on_device(self.host, self.device)

    @property
    def members(self) -> Tensor:
        """1 where a row is known to be of a group, (rows, G − 1), float64."""
        return (self.index[:, None] == torch.arange(self.count - 1, device=self.device)).to(torch.float64)


class Patterns(NamedTuple):
    """What the covariance of a row's factors depends on: rows of one pattern miss the same, and are of one group.

    All in host memory, but for the index.
    """

    masks: Tensor  # (P, width) of 0 and 1
    groups: Tensor  # (P,)
    index: Tensor  # type: ignore[assignment]  # hides a tuple's own

    @classmethod
    def of(cls, masks: Tensor, index: Tensor, groups: RowGroups) -> "Patterns":
        """Missing-data patterns (P, width), each row's index into them, and each row's group."""
        if groups.count == 1:
            zeros = torch.zeros(len(masks), dtype=torch.long)
            if len(masks) == 1:
                return cls(masks, zeros, torch.zeros(len(index), dtype=torch.long, device=groups.device))
            return cls(masks, zeros, on_device(index, groups.device))
        pairs, index = torch.unique(index * groups.count + groups.host, return_inverse=True)
        return cls(masks[pairs // groups.count], pairs % groups.count, on_device(index, groups.device))

    @property
    def key(self) -> bytes:
        """The same for the same masks and groups in the same order."""
        return self.masks.to(torch.uint8).numpy().tobytes() + self.groups.numpy().tobytes()


def group_patterns(masks: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows of masks (rows, width) of 0 and 1, (P, width), and which of them each row is, (rows,).

    All of it in host memory.
    """
    if masks.numpy().all():
        return masks[:1], torch.zeros(len(masks), dtype=torch.long)
    generator = torch.Generator().manual_seed(0)
    direction = torch.rand(masks.shape[1], generator=generator, dtype=torch.float64)
    values, index = torch.unique((masks * direction).sum(1), return_inverse=True)
    first = torch.empty(len(values), dtype=torch.long)
    first[index] = torch.arange(len(masks))
    patterns = masks[first]
    if (patterns[index] == masks).numpy().all():
        return patterns, index
    return torch.unique(masks, dim=0, return_inverse=True)
