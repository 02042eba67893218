"""Small positive-definite matrices, many at a time."""

import torch
from torch import Tensor

from pyro_favae.errors import NumericalError


def cholesky(matrices: Tensor, what: str) -> Tensor:
    """Lower Cholesky factors of (..., K, K); raises :class:`NumericalError` that says whose they were."""
    factors, info = torch.linalg.cholesky_ex(matrices)
    if info.any():
        bad = matrices.reshape(-1, *matrices.shape[-2:])[info.reshape(-1).argmax()]
        if torch.isfinite(bad).all():
            eigenvalues = torch.linalg.eigvalsh(bad)
            sizes = eigenvalues.abs()
            seen = (
                f"eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}, condition number "
                f"{sizes.max() / sizes.min():.3g}"
            )
        else:
            seen = "entries that are not finite"
        raise NumericalError(
            f"the precision matrix of the {what} is not positive definite: {seen}; likely causes are data on "
            "extreme scales (standardise the view) or networks that diverged (lower the learning rate)"
        )
    return factors


def inverse_of_precision(matrices: Tensor, what: str) -> Tensor:
    """Covariances (..., K, K) of precisions (..., K, K), symmetric."""
    return torch.cholesky_inverse(cholesky(matrices, what))


def pack(matrices: Tensor) -> Tensor:
    """The lower triangles of symmetric matrices (..., L, L), row by row: (..., L (L + 1) / 2)."""
    rows, columns = _triangle(matrices.shape[-1], matrices.device)
    return matrices.flatten(-2)[..., rows * matrices.shape[-1] + columns]


def unpack(packed: Tensor, size: int) -> Tensor:
    """The symmetric matrices (..., L, L) whose lower triangles these are."""
    rows, columns = _triangle(size, packed.device)
    place = torch.empty(size, size, dtype=torch.long, device=packed.device)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows), device=packed.device)
    return packed[..., place.flatten()].unflatten(-1, (size, size))


def inner_product_weights(size: int, like: Tensor) -> Tensor:
    """What makes the product of two packed matrices their trace inner product: 1 on the diagonal, 2 off it."""
    rows, columns = _triangle(size, like.device)
    return torch.where(rows == columns, 1.0, 2.0).to(like)


def _triangle(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    rows, columns = torch.tril_indices(size, size, device=device)
    return rows, columns
