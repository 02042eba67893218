"""Whether predictive intervals hold what they promise."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pyro_favae.errors import DataError
from pyro_favae.plots.canvas import COLOURS, MARKERS, axes_for, readable

DODGE = 0.006  # between views at the same level, so that their bars do not hide one another


def coverage(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Share of hidden values inside their predictive interval against the interval's level, with two standard errors.

    table: of :func:`pyro_favae.diagnostics.coverage`. Below the line intervals are too narrow, above it too wide.
    Raises :class:`DataError` for another table.
    """
    if table.index.names != ["view", "level"] or not {"coverage", "standard_error"} <= set(table.columns):
        raise DataError(
            f"coverage: a table of {list(table.columns)} by {list(table.index.names)}, expected that of "
            "diagnostics.coverage"
        )
    ax = axes_for(ax, 4.8, 4.5)
    ax.plot([0, 1], [0, 1], color="0.4", linestyle="--", label="as promised")
    views = list(dict.fromkeys(table.index.get_level_values("view")))
    for i, view in enumerate(views):
        rows = table.loc[view]
        ax.errorbar(
            rows.index.to_numpy(float) + DODGE * (i - (len(views) - 1) / 2),
            rows["coverage"].to_numpy(),
            2 * rows["standard_error"].to_numpy(),
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=5,
            linewidth=1,
            capsize=3,
            label=readable(view),
        )
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.set_xlabel("level of the predictive interval")
    ax.set_ylabel("share of hidden values inside")
    worst = np.abs(table["coverage"] - table.index.get_level_values("level")).max()
    ax.set_title(f"Coverage, at most {100 * worst:.1f} points from its level")
    ax.legend(loc="upper left", frameon=False)
    return ax
