"""What is lost as fewer of the influential factors are kept."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError
from pyro_favae.plots.canvas import COLOURS, MARKERS, axes_for


def shares(
    percent: Sequence[float],
    curves: Mapping[str, ArrayLike],
    *,
    nats: ArrayLike | None = None,
    ylabel: str = "mean squared error",
    ax: Axes | None = None,
) -> Axes:
    """Curves, each (shares,), against the share of the factors kept, in percent, evenly spaced and in order.

    nats: what the factors kept carry, written below their share. NaN leaves a point out. Influential-factors paper,
    Tables 2 and 3.
    """
    percent = list(percent)
    lengths = {name: len(np.asarray(values)) for name, values in curves.items()}
    if nats is not None:
        lengths["nats"] = len(np.asarray(nats))
    if set(lengths.values()) - {len(percent)}:
        raise DataError(f"shares: expected {len(percent)} values of each, got {lengths}")
    ax = axes_for(ax, 6.5, 3.8)
    for i, (name, values) in enumerate(curves.items()):
        ax.plot(
            np.asarray(values, float),
            "-" if i == 0 else "--",
            label=name,
            linewidth=1.6 if i == 0 else 1.2,
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
        )
    labels = [f"{share:g}" for share in percent]
    if nats is not None:
        labels = [f"{label}\n{kept:.1f}" for label, kept in zip(labels, np.asarray(nats, float), strict=True)]
    ax.set_xticks(range(len(percent)), labels)
    ax.set_xlabel("factors kept, %" + ("" if nats is None else "\nnats that they carry"))
    ax.set_ylabel(ylabel)
    ax.set_title("What the most influential factors keep")
    ax.legend(frameon=False)
    return ax
