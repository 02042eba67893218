"""Values on the head, seen from above."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from pyro_favae.datasets.eeg import topographic_maps
from pyro_favae.plots.canvas import axes_for

SIZE = 64  # pixels a side, of what is interpolated here
EARS = np.pi / 2  # radians of arc from the vertex


def topography(
    values: ArrayLike,
    positions: ArrayLike,
    *,
    title: str | None = None,
    limit: float | None = None,
    bar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A map of the head, nose up, with its electrodes; diverging about 0.

    values: (electrodes,), interpolated, or a picture (size, size) as :func:`datasets.eeg.topographic_maps` makes
    them, NaN outside the electrodes. positions: (electrodes, 2), of :func:`datasets.eeg.azimuthal_equidistant`.
    limit: the value of the strongest colours, the largest when left out. bar: draw the scale of colours. The outline
    is the head at the height of the ears.
    """
    positions = np.asarray(positions, float)
    picture = np.asarray(values, float)
    if picture.ndim != 2:
        picture = topographic_maps(picture, positions, SIZE)
    limit = limit or float(np.nanmax(np.abs(picture))) or 1.0
    ax = axes_for(ax, 3.2, 3)
    edge = np.abs(positions).max() * (1 + 1 / (len(picture) - 1))  # pixels are centred on their places
    drawn = ax.imshow(
        picture,
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        extent=(-edge, edge, -edge, edge),
        interpolation="nearest",
    )
    levels = np.linspace(-limit, limit, 9)
    levels = levels[(levels > np.nanmin(picture)) & (levels < np.nanmax(picture))]
    if len(levels):
        along = np.abs(positions).max() * np.linspace(-1, 1, len(picture))
        ax.contour(along, along[::-1], picture, levels=levels, colors="0.3", linewidths=0.5)
    ax.plot(*positions.T, ".", color="black", markersize=3)
    _draw_head(ax, edge)
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    if bar:
        ax.figure.colorbar(drawn, ax=ax, shrink=0.75)
    return ax


def _draw_head(ax: Axes, edge: float) -> None:
    """An outline with a nose, and room for a picture that reaches to ±edge."""
    ax.add_patch(Circle((0, 0), EARS, fill=False, linewidth=1.2))
    nose = EARS * np.array([[-0.12, 0.993], [0, 1.14], [0.12, 0.993]])
    ax.plot(*nose.T, color="black", linewidth=1.2)
    reach = max(edge, 1.03 * EARS)
    ax.set(xlim=(-reach, reach), ylim=(-reach, max(reach, 1.17 * EARS)))
