"""How learning went."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pyro_favae.plots.canvas import COLOURS, MARKERS, axes_for, readable
from pyro_favae.results import Fit

#: shade and label of stages that are not learning everything together
STAGES = {
    "warm-up": ("0.97", "warm-up: networks as plain VAEs"),
    "settle": ("0.9", "settling: closed forms only"),
}


def bound(fit: Fit, ax: Axes | None = None) -> Axes:
    """The bound and its terms against the pass, in nats relative to their last values.

    Weights, noise and components are drawn as one term; with a β other than 1, what learning climbs is drawn too.
    Passes that warm new networks up, and those that settle the closed forms after the networks have stopped, are
    shaded. The axis shows the later half of the passes; what comes before may lie far outside.
    """
    ax = axes_for(ax, 8, 4.5)
    history = fit.history
    ax.plot(*_relative(history["elbo"]), label="bound", color="black", linewidth=2.5, zorder=3)
    shown = [history["elbo"]]
    if not np.allclose(history["objective"], history["elbo"]):
        ax.plot(
            *_relative(history["objective"]), label="objective, tempered by β", color="black", linestyle="--"
        )
        shown.append(history["objective"])
    for i, (name, values) in enumerate(_terms(history).items()):
        ax.plot(
            *_relative(values),
            label=name,
            linewidth=1.2,
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            markevery=max(1, len(values) // 8),
        )
        shown.append(values)
    _shade_stages(ax, history)
    _limit(ax, shown)
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(f"pass over the data (ended by {fit.ended_by})")
    ax.set_ylabel("nats, relative to the last pass")
    ax.set_title(f"Bound {fit.elbo:,.1f} nats")
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return ax


def _relative(values: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Passes and how far the values still are from the last."""
    return values.index.to_numpy(), (values - values.iloc[-1]).to_numpy()


def _terms(history: pd.DataFrame) -> dict[str, pd.Series]:
    """The bound's terms by label, the small ones added up, those that never change left out."""
    terms, rest = {}, 0.0
    for name in history.columns:
        view, _, term = name.rpartition(".")
        if view and term in ("likelihood", "latents"):
            terms[f"{readable(view)}: {term}"] = history[name]
        elif name == "factors":
            terms[name] = history[name]
        elif name in ("components", "groups") or view:
            rest = rest + history[name]
    label = ", ".join(["weights", "noise", *(name for name in ("components", "groups") if name in history)])
    return {name: values for name, values in (terms | {label: rest}).items() if values.nunique() > 1}


def _shade_stages(ax: Axes, history: pd.DataFrame) -> None:
    for stage, (shade, label) in STAGES.items():
        passes = history.index[history["stage"] == stage]
        if len(passes):
            ax.axvspan(passes[0] - 0.5, passes[-1] + 0.5, color=shade, zorder=0, label=label)


def _limit(ax: Axes, curves: list[pd.Series]) -> None:
    """Fit the axis to the later half of the passes."""
    late = [_relative(values)[1][len(values) // 2 :] for values in curves]
    low, high = min(map(np.min, late)), max(map(np.max, late))
    margin = 0.05 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)
