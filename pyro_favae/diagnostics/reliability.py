"""Whether predicted probabilities come true as often as they say."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError


@dataclass(frozen=True, eq=False)
class Calibration:
    """Predictions in B equally wide bins of [0, 1]; NaN in a bin without predictions."""

    edges: np.ndarray  # (B + 1,) of the bins
    probability: np.ndarray  # (B,) mean predicted probability
    frequency: np.ndarray  # (B,) share of outcomes that are 1
    count: np.ndarray  # (B,) predictions

    @property
    def error(self) -> float:
        """Expected calibration error: the mean of |probability − frequency| over the predictions."""
        gaps = self.count * np.abs(self.probability - self.frequency)
        return float(np.nansum(gaps) / self.count.sum())


def calibration(probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10) -> Calibration:
    """Compare predicted probabilities with how often they come true.

    probabilities: any shape, in [0, 1]. outcomes: the same shape, 0 or 1. bins: equally wide, of [0, 1].
    Raises :class:`DataError` for anything else.
    """
    probabilities, outcomes = _checked(probabilities, outcomes)
    if bins < 1:
        raise DataError(f"bins is {bins!r}, expected a whole number of at least 1")
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    divisor = np.where(count, count, np.nan)
    return Calibration(
        edges=np.linspace(0, 1, bins + 1),
        probability=np.bincount(which, weights=probabilities, minlength=bins) / divisor,
        frequency=np.bincount(which, weights=outcomes, minlength=bins) / divisor,
        count=count,
    )


def expected_calibration_error(probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10) -> float:
    """Return the mean gap between predicted probability and observed frequency; see :func:`calibration`."""
    return calibration(probabilities, outcomes, bins).error


def _checked(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both, flattened, as float64."""
    probabilities, outcomes = (np.asarray(v, dtype=np.float64) for v in (probabilities, outcomes))
    if probabilities.shape != outcomes.shape or not probabilities.size:
        raise DataError(
            f"outcomes: expected shape {probabilities.shape}, as the probabilities, and at least one; "
            f"got {outcomes.shape}"
        )
    if not (np.all(probabilities >= 0) and np.all(probabilities <= 1)):
        raise DataError("probabilities: expected values in [0, 1]; are they logits, or is one missing?")
    if not np.all((outcomes == 0) | (outcomes == 1)):
        raise DataError("outcomes: expected 0 or 1; leave out rows whose outcome is missing")
    return probabilities.ravel(), outcomes.ravel()
