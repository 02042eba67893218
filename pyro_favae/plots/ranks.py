"""Ranks of true values among posterior draws, which calibration makes uniform."""

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import binom

from pyro_favae import diagnostics
from pyro_favae.errors import DataError
from pyro_favae.plots.canvas import axes_for, readable


def rank_histogram(result: diagnostics.SBC, quantity: str | None = None, ax: Axes | None = None) -> Axes:
    """Histogram of a quantity's ranks, and the band in which 95 % of the bars of uniform ranks lie.

    result: of :func:`pyro_favae.diagnostics.simulation_based_calibration`. quantity: the least uniform when left out.
    A hump says that posteriors are too wide, a trough that they are too narrow, a slope that they are too high or
    too low. Raises :class:`DataError` for a quantity that was not ranked.
    """
    table = result.table
    quantity = table["p_value"].idxmin() if quantity is None else quantity
    if quantity not in table.index:
        raise DataError(f"rank_histogram: no quantity {quantity!r}, expected one of {list(table.index)}")
    ranks, bins = result.ranks[quantity].to_numpy(), result.bins
    counts = np.bincount(ranks * bins // (result.draws + 1), minlength=bins)
    low, high = binom.interval(0.95, len(ranks), 1 / bins)
    ax = axes_for(ax, 4.6, 3.2)
    ax.axhspan(low, high, color="0.88", label="95 % if uniform")
    ax.axhline(len(ranks) / bins, color="0.5", linestyle="--", linewidth=1)
    edges = np.linspace(0, 1, bins + 1)
    ax.bar(edges[:-1], counts, 1 / bins, align="edge", facecolor="none", edgecolor="black", linewidth=1.3)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.25 * max(high, counts.max()))
    ax.set_xlabel("rank among posterior draws, as a share")
    ax.set_ylabel(f"of {len(ranks):,} simulations")
    ax.set_title(
        f"{readable(quantity)}: {table.loc[quantity, 'reading']} (p = {table.loc[quantity, 'p_value']:.2g})"
    )
    ax.legend(loc="upper right", frameon=False)
    return ax
