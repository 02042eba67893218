"""Values at electrodes, interpolated to pictures of the head."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CloughTocher2DInterpolator

from pyro_favae.errors import DataError

PRECISION = 1e-9  # of the gradients, which are found by iteration


def topographic_maps(values: ArrayLike, positions: ArrayLike, size: int = 32) -> np.ndarray:
    """Pictures (..., size, size) of values (..., electrodes) at positions (electrodes, 2); NaN outside them.

    Clough and Tocher's piecewise cubic, smooth, with the values exact at the electrodes. positions: as
    :func:`azimuthal_equidistant` gives them. Pictures are square about the vertex and reach to the outermost
    coordinate; row 0 is the front, column 0 the left.
    """
    values = np.asarray(values, float)
    weights = interpolation_weights(positions, size)
    if values.shape[-1:] != weights.shape[-1:]:
        raise DataError(
            f"values of shape {values.shape}, expected (..., {weights.shape[-1]}), one an electrode"
        )
    return np.einsum("...e,yxe->...yx", values, weights)


def interpolation_weights(positions: ArrayLike, size: int) -> np.ndarray:
    """What each electrode contributes to each pixel, (size, size, electrodes): maps are linear in the values."""
    positions = np.asarray(positions, float)
    if positions.ndim != 2 or positions.shape[1] != 2 or len(positions) < 4:
        raise DataError(f"positions of shape {positions.shape}, expected (electrodes, 2) with four or more")
    x, y = pixel_positions(positions, size)
    unit = CloughTocher2DInterpolator(positions, np.eye(len(positions)), tol=PRECISION, maxiter=10_000)
    return unit(x, y)


def pixel_positions(positions: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels of a picture are, right and front, each (size, size)."""
    along = np.abs(positions).max() * np.linspace(-1, 1, size)
    return np.meshgrid(along, along[::-1])
