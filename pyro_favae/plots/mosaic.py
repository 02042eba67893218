"""Images side by side in one picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError
from pyro_favae.plots.canvas import axes_for

GAP = 0.08  # between images, of their larger side
INCHES, LETTER = 0.75, 0.095  # of an image's larger side and a title's letter, in a new figure


def images(
    grid: ArrayLike,
    *,
    row_titles: Sequence[str] | None = None,
    column_titles: Sequence[str] | None = None,
    columns: int | None = None,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw images, (rows, columns, C, H, W) or a list (n, C, H, W) of them, as one picture.

    Channels come first: one is grey, three are red, green and blue; floats in [0, 1] or uint8. columns: in how
    many a list is arranged; about a square when left out.
    """
    cells = _cells(grid, columns)
    rows, across, height, width, _ = cells.shape
    gap = max(1, round(GAP * max(height, width)))
    scale = INCHES / max(height, width)
    margin = LETTER * max((len(title) for title in row_titles or ()), default=0)
    lines = sum(
        1 + max(text.count("\n") for text in texts) for texts in (column_titles, title and [title]) if texts
    )
    ax = axes_for(
        ax,
        scale * across * (width + gap) + margin + 0.3,
        scale * rows * (height + gap) + 0.25 * lines + 0.3,
        "compressed",
    )
    ax.imshow(_mosaic(cells, gap), vmin=0, vmax=1, interpolation="nearest")
    _title_cells(ax.set_xticks, column_titles, across, width, gap, "column_titles")
    _title_cells(ax.set_yticks, row_titles, rows, height, gap, "row_titles")
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    if title:
        ax.set_title(title)
    return ax


def _cells(grid: ArrayLike, columns: int | None) -> np.ndarray:
    """(rows, columns, H, W, 3) floats in [0, 1]; white where a list leaves the last row short."""
    pixels = np.asarray(grid)
    if pixels.ndim not in (4, 5) or pixels.shape[-3] not in (1, 3) or not pixels.size:
        raise DataError(
            f"images of shape {pixels.shape}, expected (rows, columns, C, H, W) or (n, C, H, W) with one channel "
            "or three; channels come first"
        )
    pixels = pixels / 255 if pixels.dtype == np.uint8 else pixels.astype(float).clip(0, 1)
    pixels = np.moveaxis(np.broadcast_to(pixels, (*pixels.shape[:-3], 3, *pixels.shape[-2:])), -3, -1)
    if pixels.ndim == 5:
        return pixels
    columns = columns or int(np.ceil(np.sqrt(len(pixels))))
    blank = np.ones((-len(pixels) % columns, *pixels.shape[1:]))
    return np.concatenate([pixels, blank]).reshape(-1, columns, *pixels.shape[1:])


def _mosaic(cells: np.ndarray, gap: int) -> np.ndarray:
    """One picture, images apart by white gaps; missing pixels (NaN) are mid grey."""
    padded = np.pad(cells, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1)
    rows, columns, height, width, _ = padded.shape
    picture = padded.swapaxes(1, 2).reshape(rows * height, columns * width, 3)[:-gap, :-gap]
    return np.nan_to_num(picture, nan=0.5)


def _title_cells(set_ticks, titles, count: int, size: int, gap: int, what: str) -> None:
    if titles is None:
        set_ticks([])
        return
    if len(titles) != count:
        raise DataError(f"{what}: {len(titles)} titles, expected {count}")
    set_ticks((size - 1) / 2 + (size + gap) * np.arange(count), titles)
