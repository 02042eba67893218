"""Small positive-definite matrices, many at a time."""

from functools import cache, partial

import torch
from torch import Tensor

from pyro_favae.inference.watch import asking_waits, require


def cholesky(matrices: Tensor, what: str) -> Tensor:
    """Lower Cholesky factors of (..., K, K), all at once; raises :class:`NumericalError` saying whose they were."""
    factors, info = torch.linalg.cholesky_ex(matrices)
    size = matrices.shape[-1]
    require(
        f"{what}, {size} × {size}",
        info.any(),
        lambda: matrices.reshape(-1, size, size).index_select(0, info.reshape(-1).argmax()[None])[0],
        partial(_not_positive_definite, what),
    )
    return factors


def _not_positive_definite(what: str, bad: Tensor) -> str:
    if torch.isfinite(bad).all():
        eigenvalues = torch.linalg.eigvalsh(bad)
        sizes = eigenvalues.abs()
        seen = (
            f"eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}, condition number "
            f"{sizes.max() / sizes.min():.3g}"
        )
    else:
        seen = "entries that are not finite"
    return (
        f"the precision matrix of the {what} is not positive definite: {seen}; likely causes are data on "
        "extreme scales (standardise the view) or networks that diverged (lower the learning rate)"
    )


def inverse_of_precision(matrices: Tensor, what: str) -> Tensor:
    """Covariances (..., K, K) of precisions (..., K, K), symmetric."""
    return inverse_of_root(cholesky(matrices, what))


def inverse_of_root(root: Tensor) -> Tensor:
    """(R Rᵀ)⁻¹ of lower Cholesky factors R (..., K, K)."""
    if not asking_waits(root):
        return torch.cholesky_inverse(root)  # which asks whether it went well
    eye = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)  # no copy from the host
    half = torch.linalg.solve_triangular(root, eye, upper=False)
    return half.mT @ half


def pack(matrices: Tensor) -> Tensor:
    """The lower triangles of symmetric matrices (..., L, L), row by row: (..., L (L + 1) / 2)."""
    return matrices.flatten(-2).index_select(-1, _triangle(matrices.shape[-1], matrices.device))


def unpack(packed: Tensor, size: int) -> Tensor:
    """The symmetric matrices (..., L, L) whose lower triangles these are."""
    return packed.index_select(-1, _places(size, packed.device)).unflatten(-1, (size, size))


def inner_product_weights(size: int, like: Tensor) -> Tensor:
    """What makes the product of two packed matrices their trace inner product: 1 on the diagonal, 2 off it."""
    diagonal = _triangle(size, like.device) % (size + 1) == 0
    return torch.where(diagonal, 1.0, 2.0).to(like)


@cache
def _triangle(size: int, device: torch.device) -> Tensor:
    """Where the lower triangle lies in a flattened matrix, (L (L + 1) / 2,)."""
    rows, columns = torch.tril_indices(size, size)
    return (rows * size + columns).to(device)


@cache
def _places(size: int, device: torch.device) -> Tensor:
    """Where each entry of a flattened matrix lies in its packed lower triangle, (L²,)."""
    rows, columns = torch.tril_indices(size, size)
    place = torch.empty(size, size, dtype=torch.long)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows))
    return place.flatten().to(device)
