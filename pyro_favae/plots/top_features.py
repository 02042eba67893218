"""The features that a factor acts on most."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pyro_favae import diagnostics
from pyro_favae.plots.canvas import axes_for, feature_label, readable
from pyro_favae.results import Fit


def top_features(fit: Fit, view: str, factor: int, n: int = 10, ax: Axes | None = None) -> Axes:
    """The n features of a view with the largest weights on a factor, largest first, with 95 % credible intervals.

    In the user's units per unit of the factor. Filled where the weight is above 0, open where it is below.
    """
    table = diagnostics.top_features(fit, view, factor, n)
    ax = axes_for(ax, 5.2, 1.2 + 0.28 * len(table))
    ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    for position, row in enumerate(table.itertuples()):
        ax.plot([row.lower, row.upper], [position, position], color="black", linewidth=1.5)
        face = "black" if row.mean > 0 else "white"
        ax.plot(row.mean, position, marker="o", markersize=6, color="black", markerfacecolor=face)
    ax.set_yticks(range(len(table)), [feature_label(view, feature) for feature in table.index])
    ax.set_ylim(len(table) - 0.4, -0.6)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel("weight per unit of the factor (bar: 95 % interval)")
    ax.set_title(f"{readable(view)}, factor {factor}")
    return ax
