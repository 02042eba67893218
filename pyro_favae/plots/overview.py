"""What data there are, and what of them is missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation

from pyro_favae import diagnostics
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import View
from pyro_favae.plots.canvas import axes_for, readable, thinned
from pyro_favae.results import Fit

MOST_ROWS = 2000  # drawn, evenly spaced out of the sorted ones
TICK_GAP = 0.06  # between ticks, of the axis
ABSENT: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.55", "hatch": "////", "linewidth": 0}
KEY_INCHES = 0.5  # of the key below the axis
LIGHTEST, DARKEST = 0.9, 0.25  # grey of a row of which next to nothing, or all, is seen


def data_overview(model: FAVAE | Fit, data: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Views × rows: which rows have which views, and how much of each row's entries; before or after a fit.

    Rows with the same views stand together, those with most views first; the ticks count rows up to there. The
    darker, the more of a row's entries are seen; hatched where a row lacks the view.
    """
    missing = diagnostics.missingness(model, data)
    views = (model.declaration if isinstance(model, Fit) else model).views
    ordered = missing.iloc[_order(missing)]
    absent = (ordered == 1).to_numpy().T
    ax = axes_for(ax, 8.5, 1.5 + 0.5 * len(views))
    _tiles(ax, ordered.to_numpy().T, absent)
    partial = ((missing > 0) & (missing < 1)).any(axis=None)
    ax.set_yticks(range(len(views)), [f"{readable(name)}\n{_size(view)}" for name, view in views.items()])
    for position, name in enumerate(views):
        ax.text(1.01, position, _told(missing[name]), transform=ax.get_yaxis_transform(), va="center")
    ax.set_xticks(_counted(absent))
    ax.set_xlim(0, len(missing))
    ax.set_xlabel("rows, those with the same views together")
    complete = int((missing < 1).all(axis=1).sum())
    ax.set_title(f"{_many(len(missing), 'row')}, {_many(len(views), 'view')}; {complete:,} have every view")
    _key(ax, partial, absent.any())
    return ax


def _order(missing: pd.DataFrame) -> np.ndarray:
    """Rows with most views first, those with the same views together, in each the fullest first."""
    absent = (missing == 1).to_numpy()
    return np.lexsort([missing.mean(axis=1), *absent.T[::-1], absent.sum(1)])


def _tiles(ax: Axes, missing: np.ndarray, absent: np.ndarray) -> None:
    """A band a view, (views, rows), what is absent hatched."""
    count = missing.shape[1]
    shown = list(thinned(count, MOST_ROWS))
    grey = np.where(absent, 1.0, DARKEST + (LIGHTEST - DARKEST) * missing)[:, shown]
    extent = (0, count, len(missing) - 0.5, -0.5)
    ax.imshow(grey, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest", extent=extent)
    for position, row in enumerate(absent):
        edges = np.flatnonzero(np.diff(np.r_[False, row, False]))
        runs = [(start, stop - start) for start, stop in edges.reshape(-1, 2)]
        ax.broken_barh(runs, (position - 0.5, 1), **ABSENT)
    for position in range(1, len(missing)):
        ax.axhline(position - 0.5, color="white", linewidth=5)
    ax.spines[:].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _counted(absent: np.ndarray) -> list[int]:
    """Where one pattern of views ends and the next begins, leaving out what would overlap."""
    count = absent.shape[1]
    changes = np.flatnonzero((absent[:, 1:] != absent[:, :-1]).any(0)) + 1
    ticks = [0]
    for position in map(int, changes):
        if position - ticks[-1] >= TICK_GAP * count and count - position >= TICK_GAP * count:
            ticks.append(position)
    return [*ticks, count]


def _told(missing: pd.Series) -> str:
    present = missing[missing < 1]
    share = f"{100 * present.mean():.1f} % of their entries missing" if present.any() else "complete"
    return f"{len(present):,} rows\n{share}" if len(present) else "0 rows"


def _size(view: View) -> str:
    if len(view.event_shape) > 1:
        return " × ".join(map(str, view.event_shape))
    return _many(view.event_shape[0], "feature") if view.event_shape else _many(view.latent_dim, "class")


def _many(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"


def _key(ax: Axes, partial: bool, absent: bool) -> None:
    """Below the axis' label, however high the axes are."""
    keys = [Patch(color=str(DARKEST), label="all of a row's entries seen")]
    if partial:
        keys.append(Patch(color=str((LIGHTEST + DARKEST) / 2), label="half of them"))
    if absent:
        keys.append(Patch(**ABSENT, label="row lacks the view"))
    below = ax.transAxes + ScaledTranslation(0, -KEY_INCHES, ax.figure.dpi_scale_trans)
    ax.legend(
        handles=keys,
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        bbox_transform=below,
        ncols=len(keys),
        frameon=False,
    )
