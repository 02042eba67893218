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
            seen = f"eigenvalues from {eigenvalues[0]:.3g} to {eigenvalues[-1]:.3g}"
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
