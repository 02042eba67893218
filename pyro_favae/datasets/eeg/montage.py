"""Where electrodes sit on the head, and the head flattened."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError

# Positions of the 10-20 system on a sphere, in degrees, as BioSemi gives them for its cap of 32: inclination from the
# vertex, negative on the left; azimuth from the nearer ear, counted anticlockwise.
_CAP = {
    "Fp1": (-92, -72),
    "AF3": (-74, -65),
    "F7": (-92, -36),
    "F3": (-60, -51),
    "FC1": (-32, -45),
    "FC5": (-72, -21),
    "T7": (-92, 0),
    "C3": (-46, 0),
    "CP1": (-32, 45),
    "CP5": (-72, 21),
    "P7": (-92, 36),
    "P3": (-60, 51),
    "Pz": (46, -90),
    "PO3": (-74, 65),
    "O1": (-92, 72),
    "Oz": (92, -90),
    "O2": (92, -72),
    "PO4": (74, -65),
    "P4": (60, -51),
    "P8": (92, -36),
    "CP6": (72, -21),
    "CP2": (32, -45),
    "C4": (46, 0),
    "T8": (92, 0),
    "FC6": (72, 21),
    "FC2": (32, 45),
    "F4": (60, 51),
    "F8": (92, 36),
    "AF4": (74, 65),
    "Fp2": (92, 72),
    "Fz": (46, 90),
    "Cz": (0, 0),
}


def electrode_positions(names: Sequence[str]) -> np.ndarray:
    """Positions (n, 3) on the unit sphere of electrodes of the 10-20 system, by name, upper and lower case alike.

    Axes: right ear, nose, vertex. Raises :class:`DataError` for a name that is not on a cap of 32.
    """
    known = {name.lower(): angles for name, angles in _CAP.items()}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise DataError(f"electrodes {', '.join(unknown)}: no position known; known are {', '.join(_CAP)}")
    inclination, azimuth = np.radians([known[name.lower()] for name in names]).T
    return _on_sphere(inclination, azimuth)


def polar_positions(angle: ArrayLike, radius: ArrayLike) -> np.ndarray:
    """Positions (n, 3) on the unit sphere from EEGLAB's polar coordinates.

    angle: (n,) degrees from the nose towards the right ear. radius: (n,), 0 at the vertex and 0.5 at the equator.
    """
    angle, radius = np.asarray(angle, float), np.asarray(radius, float)
    return _on_sphere(np.pi * radius, np.radians(90 - angle))


def azimuthal_equidistant(positions: ArrayLike) -> np.ndarray:
    """The head flattened: (n, 2), right and front, in radians of arc, from positions (n, 3) about the head's centre.

    Distances from the vertex and directions seen from it are kept. Radii of the positions do not matter.
    """
    positions = np.asarray(positions, float)
    if positions.ndim != 2 or positions.shape[1] != 3 or not np.isfinite(positions).all():
        raise DataError(f"positions of shape {positions.shape}, expected (electrodes, 3), all finite")
    x, y, z = positions.T
    arc, direction = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    return np.stack([arc * np.cos(direction), arc * np.sin(direction)], 1)


def _on_sphere(inclination: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Radians from the vertex, and anticlockwise from the right ear, to (n, 3)."""
    across = np.sin(inclination)
    return np.stack([across * np.cos(azimuth), across * np.sin(azimuth), np.cos(inclination)], 1)
