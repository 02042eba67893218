"""How much each latent dimension says of the data."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pyro_favae.diagnostics import MutualInformation
from pyro_favae.plots.canvas import axes_for, thinned

MOST_LABELS = 40  # dimensions named along the axis


def influence(
    information: MutualInformation, *, most: int | None = None, variance: bool = True, ax: Axes | None = None
) -> Axes:
    """Bars of Î(x; z_h) in nats with two standard errors, the most influential dimension first.

    most: how many dimensions to draw; all when left out. variance: draw that of z_h over the rows, too, on an axis of
    its own: the indicator that information replaces. Influential-factors paper, Figures 1 and 2.
    """
    shown = information.ranking[:most]
    ax = axes_for(ax, float(np.clip(2.5 + 0.12 * len(shown), 5, 12)), 3.4)
    places = np.arange(len(shown))
    ax.bar(
        places,
        information.nats[shown],
        yerr=2 * information.standard_error[shown],
        color="0.75",
        edgecolor="0.35",
        linewidth=0.5,
        error_kw={"linewidth": 1},
        label="information, ± 2 standard errors",
    )
    ax.set(xlabel="dimension", ylabel="nats", xlim=(-0.8, len(shown) - 0.2), ylim=(0, None))
    labelled = thinned(len(shown), MOST_LABELS)
    ax.set_xticks(list(labelled), [str(shown[i]) for i in labelled], rotation=90 if len(shown) > 12 else 0)
    ax.set_title(f"Information of data and latent, {information.total:.1f} nats in all")
    handles, names = ax.get_legend_handles_labels()
    if variance:
        other = ax.twinx()
        drawn = other.plot(
            places,
            information.marginal_variance[shown],
            "D",
            color="#d95f02",
            markersize=3.5,
            label="variance",
        )
        other.set(
            ylabel="variance of the dimension", ylim=(0, 1.1 * information.marginal_variance[shown].max())
        )
        other.yaxis.set_major_locator(MaxNLocator(4))
        handles, names = [*handles, *drawn], [*names, "variance"]
    ax.legend(handles, names, loc="center right", framealpha=0.9)
    return ax
