"""Keeping the most influential factors, and setting the others to zero."""

import numpy as np

#: percent of the factors that Table 2 keeps
SHARES = (100, 20, 10, 7, 5, 4, 3, 2, 1, 0)


def keep(latents: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Latents (rows, D) with all but the named factors at zero."""
    kept = np.zeros_like(latents)
    kept[:, factors] = latents[:, factors]
    return kept
