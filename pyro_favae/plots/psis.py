"""How far the guide is from the posterior, row by row."""

import numpy as np
from matplotlib.axes import Axes

from pyro_favae import diagnostics
from pyro_favae.plots.canvas import axes_for, readable

NAMED = 3  # of the worst rows
APART = 0.2  # that named ones are at least, of all rows


def psis(result: diagnostics.PSIS, ax: Axes | None = None) -> Axes:
    """Pareto shape k̂ of each row's own factors and latents, in the data's order, and up to where it is good.

    result: of :func:`pyro_favae.diagnostics.psis`. Rows above the threshold are open squares, the worst of them
    named; above 1 the ratios have no mean.
    """
    ax = axes_for(ax, 7.5, 4)
    k = result.rows.to_numpy()
    position, good = np.arange(len(k)), k <= result.threshold
    if good.any():
        ax.scatter(position[good], k[good], s=12, color="black", linewidth=0, label=f"{good.sum():,} good")
    if not good.all():
        ax.scatter(
            position[~good],
            k[~good],
            s=22,
            marker="s",
            facecolor="white",
            edgecolor="black",
            label=f"{(~good).sum():,} too large",
        )
    ax.axhline(result.threshold, color="black", linestyle="--", linewidth=1)
    ax.axhline(1, color="0.5", linestyle=":", linewidth=1)
    for worst in _named(np.where(good, -np.inf, k)):
        name, left = readable(str(result.rows.index[worst]), 16), worst > len(k) / 2
        ax.annotate(
            name,
            (worst, k[worst]),
            xytext=(-4 if left else 4, 3),
            textcoords="offset points",
            ha="right" if left else "left",
            fontsize="small",
        )
    ax.set_ylim(min(0, k.min()) - 0.05, max(1, k.max()) + 0.12)
    ax.set_xlabel("row")
    ax.set_ylabel("Pareto k̂")
    globals_, everything = result.shared, result.everything
    ax.set_title(f"good up to {result.threshold:.2f}; globals {globals_:.2f}, everything {everything:.2f}")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return ax


def _named(k: np.ndarray) -> list[int]:
    """The worst rows, but none beside one that is worse, whose name would be written over."""
    named: list[int] = []
    for row in np.argsort(-k):
        if len(named) < NAMED and np.isfinite(k[row]) and all(abs(row - n) > APART * len(k) for n in named):
            named.append(int(row))
    return named
