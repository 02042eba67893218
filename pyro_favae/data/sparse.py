"""Rows of a sparse matrix, of which only those asked for are made dense."""

from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor

from pyro_favae.data.source import Source, as_tensor
from pyro_favae.errors import DataError

UNKNOWN_TO_NUMPY = (torch.bfloat16, torch.float16)  # the latter SciPy cannot make dense


class SparseSource(Source):
    """Rows of a matrix in compressed rows: what is not stored is zero, a stored NaN is missing."""

    def __init__(self, matrix: sp.csr_array | sp.csr_matrix, shape: tuple[int, ...] | None = None) -> None:
        """Shape: read the matrix as if it had this one; its own when left out."""
        self.matrix = matrix
        self.shape = shape or matrix.shape

    @staticmethod
    def fits(values: object) -> bool:
        """Whether this is a sparse matrix, array or tensor of whatever layout."""
        return sp.issparse(values) or (isinstance(values, Tensor) and _is_sparse(values))

    def take(self, rows: slice | Tensor) -> Tensor:
        part = self.matrix[rows if isinstance(rows, slice) else rows.numpy()]
        return as_tensor(part.toarray()).reshape(-1, *self.shape[1:])


def compressed(name: str, values: Any) -> sp.csr_array | sp.csr_matrix:
    """A sparse matrix, array or tensor in compressed rows, not copied where it is that already.

    Raises :class:`DataError` naming the view for what is no matrix of real numbers.
    """
    if len(values.shape) != 2:
        raise DataError(f"view {name!r} is sparse of shape {tuple(values.shape)}, expected (rows, columns)")
    if isinstance(values, Tensor):
        values = _from_torch(values)
    if values.dtype.kind == "c":
        raise DataError(f"view {name!r} holds complex numbers, expected real ones")
    if values.dtype.kind not in "biuf" or values.dtype.itemsize == 2 and values.dtype.kind == "f":
        raise DataError(
            f"view {name!r} is a sparse matrix of {values.dtype}, expected numbers such as float32 or float64; "
            "use its astype"
        )
    return values.tocsr()


def dense_row(values: Any) -> Any:
    """A sparse vector, as one conditions on, as a dense one."""
    return values.to_dense() if isinstance(values, Tensor) else values.toarray()


def _is_sparse(values: Tensor) -> bool:
    blocks = (torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc)
    return values.is_sparse or values.layout in blocks


def _from_torch(values: Tensor) -> sp.coo_array:
    values = values.detach().cpu().to_sparse_coo().coalesce()
    if values.dense_dim():  # sparse in its rows alone
        values = values.to_dense().to_sparse_coo().coalesce()
    stored = values.values()
    stored = stored.to(torch.float32) if stored.dtype in UNKNOWN_TO_NUMPY else stored
    return sp.coo_array((stored.numpy(), tuple(values.indices().numpy())), shape=tuple(values.shape))
