"""Which views use which factors."""

import numpy as np
from matplotlib.axes import Axes

from pyro_favae import diagnostics
from pyro_favae.plots.canvas import axes_for, readable
from pyro_favae.results import Fit

# kind → marker, face colour, size in points²
_SYMBOLS = {
    "shared": ("o", "black", 110),
    "private": ("s", "white", 90),
    "off": (".", "0.6", 20),
}


def sharing(fit: Fit, ax: Axes | None = None) -> Axes:
    """Views × factors: a disc where a view shares a factor, a square where it has it alone, a dot where off."""
    table = diagnostics.sharing(fit)
    names = list(fit.posterior.names)
    ax = axes_for(ax, 3 + 0.35 * len(table), 1.6 + 0.45 * len(names))
    kinds = np.array(
        [
            [
                kind if name in views else "off"
                for kind, views in zip(table["kind"], table["views"], strict=True)
            ]
            for name in names
        ]
    )
    for kind, (marker, colour, size) in _SYMBOLS.items():
        rows, columns = np.nonzero(kinds == kind)
        ax.scatter(
            columns,
            rows,
            s=size,
            marker=marker,
            facecolor=colour,
            edgecolor="black" if kind != "off" else colour,
            label=kind,
        )
    for factor in np.flatnonzero(table["kind"] == "shared"):
        rows = np.flatnonzero(kinds[:, factor] == "shared")
        ax.plot([factor, factor], [rows[0], rows[-1]], color="black", linewidth=1.5, zorder=0)
    ax.set_xticks(range(len(table)), table.index)
    ax.set_yticks(range(len(names)), map(readable, names))
    ax.set_xlim(-0.6, len(table) - 0.4)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlabel("factor")
    counts = table["kind"].value_counts().reindex(list(_SYMBOLS), fill_value=0)
    ax.set_title(", ".join(f"{count} {kind}" for kind, count in counts.items()))
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return ax
