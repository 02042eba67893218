"""Reliability diagram."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pyro_favae import diagnostics
from pyro_favae.plots.canvas import axes_for


def calibration(
    probabilities: ArrayLike, outcomes: ArrayLike, bins: int = 10, ax: Axes | None = None
) -> Axes:
    """How often predictions come true against how probable they were said to be, with 95 % intervals.

    Below, the number of predictions in each bin, as a share of the fullest.
    """
    result = diagnostics.calibration(probabilities, outcomes, bins)
    ax = axes_for(ax, 4.8, 4.5)
    filled = result.count > 0
    probability, frequency = result.probability[filled], result.frequency[filled]
    low, high = _wilson(frequency, result.count[filled])
    width = np.diff(result.edges)
    height = 0.15 * result.count / result.count.max()
    ax.bar(
        result.edges[:-1],
        height,
        width,
        align="edge",
        color="0.85",
        edgecolor="0.6",
        label="predictions in the bin",
    )
    ax.plot([0, 1], [0, 1], color="0.4", linestyle="--", label="calibrated")
    errors = np.clip([frequency - low, high - frequency], 0, None)
    ax.errorbar(
        probability, frequency, errors, color="black", marker="o", capsize=3, label="observed, 95 % interval"
    )
    ax.set(
        xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="predicted probability", ylabel="observed frequency"
    )
    ax.set_title(f"Calibration error {result.error:.3f}, {result.count.sum():,} predictions")
    ax.legend(loc="best", frameon=False)
    return ax


def _wilson(frequency: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a frequency seen in ``count`` trials."""
    centre = (frequency + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(frequency * (1 - frequency) / count + z**2 / (4 * count**2))
    return centre - half, centre + half
