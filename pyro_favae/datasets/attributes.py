"""Labels turned into views: binary attributes of digits, and one-hot classes."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError

# The digits that have the attribute. Together the five give every digit a code of its own.
_ATTRIBUTES = {
    "even": {0, 2, 4, 6, 8},  # divisible by two: arithmetic, not drawn
    "large": {5, 6, 7, 8, 9},  # five or more: arithmetic, not drawn
    "loop": {0, 6, 8, 9},  # encloses an area (an open four does not)
    "straight": {1, 4, 7},  # drawn with straight strokes only
    "symmetric": {0, 1, 3, 8},  # its own mirror image, left to right or top to bottom
}


def digit_attributes(labels: ArrayLike) -> pd.DataFrame:
    """Return five binary attributes of digits, distinct for every digit.

    Args:
        labels: (n,) digits 0..9.

    Returns:
        (n, 5) frame of 0 and 1: `even`, `large` (5 or more), `loop` (encloses an area: 0, 6, 8, 9),
        `straight` (straight strokes only: 1, 4, 7), `symmetric` (its own mirror image: 0, 1, 3, 8).
    """
    digits = _classes(labels, 10)
    return pd.DataFrame(
        {name: np.isin(digits, list(having)).astype(int) for name, having in _ATTRIBUTES.items()}
    )


def one_hot(labels: ArrayLike, n_classes: int) -> pd.DataFrame:
    """Return one column a class, named "0", "1", ...: 1 where the row is of that class, else 0.

    Args:
        labels: (n,) classes 0..n_classes - 1.
        n_classes: number of columns.
    """
    classes = _classes(labels, n_classes)
    return pd.DataFrame(np.eye(n_classes, dtype=int)[classes], columns=[str(k) for k in range(n_classes)])


def _classes(labels: ArrayLike, n_classes: int) -> np.ndarray:
    """Return labels as (n,) integers, checked to lie in 0..n_classes - 1."""
    classes = np.asarray(labels)
    if classes.ndim != 1 or not np.issubdtype(classes.dtype, np.integer):
        raise DataError(
            f"labels: expected a row of integers (n,), got {classes.dtype} of shape {classes.shape}"
        )
    if classes.size and not (classes.min() >= 0 and classes.max() < n_classes):
        raise DataError(
            f"labels: expected 0 to {n_classes - 1}, got {classes.min()} to {classes.max()}; "
            "are they counted from 1?"
        )
    return classes
