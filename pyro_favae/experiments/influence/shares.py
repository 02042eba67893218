"""Keeping the most influential factors, and setting the others to zero."""

from math import ceil

import numpy as np

#: percent of the factors that Table 2 keeps
SHARES = (100, 20, 10, 7, 5, 4, 3, 2, 1, 0)


def factors_in(share: float, n_factors: int) -> int:
    """How many factors a share in percent is, rounded up.

    So does the paper: of its 128 factors, only with 2, 3, 4, 6, 7, 9 and 13 in the shares from 1 to 10 % does what
    Tables 2 and 3 say that each further factor adds fall steadily.
    """
    return ceil(round(share * n_factors / 100, 6))


def keep(latents: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Latents (rows, D) with all but the named factors at zero."""
    kept = np.zeros_like(latents)
    kept[:, factors] = latents[:, factors]
    return kept
