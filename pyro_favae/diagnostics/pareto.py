"""Pareto-smoothed importance sampling, as ArviZ does it."""

from math import log10

import numpy as np

EQUAL = 1e-9  # nats: ratios that differ by no more are the same but for rounding


def pareto_shape(log_ratios: np.ndarray) -> np.ndarray:
    """k-hat of importance ratios, (..., draws) → (...): shape of the generalised Pareto distribution of their tail.

    −inf where all are the same, as they are when q is the posterior; infinite where one is not finite or the tail is
    too long for any such distribution. Vehtari, Simpson, Gelman, Yao and Gabry 2024, "Pareto smoothed importance
    sampling".
    """
    flat = log_ratios.reshape(-1, log_ratios.shape[-1])
    shapes = np.full(len(flat), np.inf)
    finite = np.isfinite(flat).all(1)
    equal = np.zeros_like(finite)
    equal[finite] = np.ptp(flat[finite], axis=1) <= EQUAL
    shapes[equal] = -np.inf
    uneven = finite & ~equal
    if uneven.any():
        shapes[uneven] = _smoothed(flat[uneven])
    return shapes.reshape(log_ratios.shape[:-1])


def largest_shape(draws: int) -> float:
    """The k-hat up to which an average over that many draws can be relied on, min(1 − 1 / log₁₀ S, 0.7)."""
    return min(1 - 1 / log10(draws), 0.7)


def _smoothed(log_ratios: np.ndarray) -> np.ndarray:
    import arviz  # here, because it takes a second and announces its next major version

    with np.errstate(over="ignore", invalid="ignore"):  # where the tail is that heavy
        if hasattr(arviz, "psislw"):
            shapes = arviz.psislw(log_ratios)[1]
        else:  # ArviZ 1.x takes log likelihoods: ratios with the sign turned
            from arviz_stats.base import array_stats

            shapes = array_stats.psislw(-log_ratios)[1]
    return np.nan_to_num(np.asarray(shapes), nan=np.inf, posinf=np.inf, neginf=-np.inf)
