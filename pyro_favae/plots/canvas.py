"""What the plots share: where to draw, and how marks differ without colour."""

from typing import cast

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: pairs told apart by shape and by lightness
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h")
COLOURS = ("#08306b", "#d95f02", "#1b9e77", "#7570b3", "#e7298a", "#66a61e")


def axes_for(ax: Axes | None, width: float, height: float, layout: str = "constrained") -> Axes:
    """Return the given Axes, or those of a new figure of width × height inches."""
    if ax is not None:
        return ax
    return plt.subplots(figsize=(width, height), layout=layout)[1]


def figure_of(ax: Axes) -> Figure:
    """The figure that Axes belong to; those of the plots are in none of its parts."""
    return cast(Figure, ax.figure)


def thinned(count: int, most: int) -> range:
    """At most ``most`` evenly spaced positions out of ``count``, for tick labels that must not overlap."""
    return range(0, count, -(-count // most) if count else 1)


def readable(name: str, most: int = 28) -> str:
    """A user's name as a label: its middle left out where it is long, its dollars not taken for formulas."""
    name = str(name)
    if len(name) > most:
        head = most // 2
        name = f"{name[:head]}…{name[head + 1 - most :]}"
    return name.replace("$", r"\$")


def feature_label(view: str, feature: str, alone: bool = True) -> str:
    """A feature's name as a label, after its view's where that is needed to tell what it is."""
    if feature.isdigit():
        return f"{readable(view)} {feature}"
    return readable(feature) if alone else f"{readable(view, 16)}: {readable(feature)}"
