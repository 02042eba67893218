"""What information says that errors must be at least, and the guide drawn where that says nothing."""

from math import log2

import numpy as np
from numpy.typing import ArrayLike


def recovery_guide(nats: ArrayLike, error_of_none: float, dimensions: int) -> np.ndarray:
    """Error from k nats, e₀ exp(−2 k / d), (...), with e₀ that of no information, after Theorem 4.

    The theorem bounds the error of one number by exp(2 h(X) − 2 I) / 2πe from below. Pixels that are constant have
    h(X) = −∞, which makes that 0, so that its shape alone is drawn: a guide, not a bound. dimensions: d, among which
    the information is shared out evenly; the number of influential factors.
    """
    return error_of_none * np.exp(-2 * np.asarray(nats, float) / dimensions)


def least_error(nats: ArrayLike, labels: ArrayLike) -> np.ndarray:
    """Fano's bound on the error of predicting labels (n,) from k nats, (...); 0 where it says nothing. Theorem 5.

    P(error) ≥ (H(Y) − I − 1) / log₂ |Y|, in bits: nothing where I is within a bit of H(Y) or above.
    """
    counts = np.unique(labels, return_counts=True)[1]
    shares = counts / counts.sum()
    entropy = -(shares * np.log2(shares)).sum()
    bits = np.asarray(nats, float) / np.log(2)
    return np.clip((entropy - bits - 1) / log2(len(counts)), 0, None)
