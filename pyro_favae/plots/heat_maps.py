"""Views or their features against factors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pyro_favae import diagnostics
from pyro_favae.plots.canvas import axes_for, feature_label, readable, thinned
from pyro_favae.results import Fit

MOST_LABELS = 60  # features named along an axis
FAINT = 0.1  # of the largest weight: below it a sign is not marked


def weights(fit: Fit, view: str | None = None, ax: Axes | None = None) -> Axes:
    """Heat map of posterior mean weights, features × active factors; all factors where none is active.

    One view in the user's units per unit of a factor, or all views, each relative to its largest weight. Negative
    weights are hatched.
    """
    names = list(fit.posterior.names) if view is None else [view]
    blocks = [fit.weights(name) for name in names]
    active = _active(fit, names)
    if view is None:
        blocks = [block / max(np.abs(block).max(), 1e-300) for block in blocks]
    values = np.concatenate(blocks)[:, active]
    ax = axes_for(ax, 2.5 + 0.4 * max(len(active), 5), 1.5 + min(max(0.22 * len(values), 2), 12))
    picture = _signed_map(ax, values)
    _label_features(ax, fit, names)
    ax.set_xticks(range(len(active)), active)
    ax.set_xlabel("factor")
    ax.set_title("Weights of all views" if view is None else f"Weights of {readable(view)}")
    unit = "weight / largest of its view" if view is None else "weight per unit of the factor"
    ax.figure.colorbar(picture, ax=ax, label=f"{unit}\n(hatched: negative)")
    return ax


def variance_explained(
    fit: Fit, data: Mapping[str, Any], *, scale: diagnostics.Scale = "latent", ax: Axes | None = None
) -> Axes:
    """Heat map of the share of each view's variance that each active factor explains, and all together, in %.

    scale: of the views' latents or of their data, see :func:`pyro_favae.diagnostics.variance_explained`. A dash where
    a view does not vary.
    """
    shares = diagnostics.variance_explained(fit, data, scale)
    active = _active(fit, shares.index)
    total = np.array([[shares.attrs["total"][name]] for name in shares.index])
    values = 100 * np.concatenate([shares.to_numpy()[:, active], total], 1)
    ax = axes_for(ax, 2.5 + 0.6 * max(values.shape[1], 5), 1.4 + 0.5 * len(values))
    ax.imshow(values, cmap="Greys", vmin=0, vmax=100, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        written = "–" if np.isnan(value) else f"{round(value):d}"
        ax.text(column, row, written, ha="center", va="center", color="white" if value > 55 else "black")
    ax.axvline(len(active) - 0.5, color="black", linewidth=2)
    ax.set_xticks(range(len(active) + 1), [*map(str, active), "all"])
    ax.set_yticks(range(len(shares)), map(readable, shares.index))
    ax.set_xlabel("factor")
    ax.set_title(f"Variance of each view's {'latents' if scale == 'latent' else 'data'} explained, %")
    return ax


def _active(fit: Fit, names: Sequence[str]) -> np.ndarray:
    """The factors that any of the views uses, or all where none does."""
    active = np.flatnonzero(fit.active.loc[list(names)].any().to_numpy())
    return active if len(active) else np.arange(fit.declaration.n_factors)


def _signed_map(ax: Axes, values: np.ndarray):
    """Diverging, with limits symmetrical about 0; negative cells hatched."""
    limit = np.abs(values).max(initial=0) or 1.0
    picture = ax.imshow(
        values, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest"
    )
    edges = np.arange(values.shape[1] + 1) - 0.5, np.arange(len(values) + 1) - 0.5
    negative = np.ma.masked_where(values >= -FAINT * limit, values)
    if negative.count():
        ax.pcolor(
            *edges, negative, facecolor="none", edgecolor="white", hatch="////", linewidth=0, cmap="Greys"
        )
    return picture


def _label_features(ax: Axes, fit: Fit, names: list[str]) -> None:
    """Name features along the y axis, the view before them, with a line between views."""
    labels, start = [], 0
    for name in names:
        declared = fit.declaration.views[name].feature_names
        labels += [feature_label(name, feature, alone=len(names) == 1) for feature in declared]
        if start:
            ax.axhline(start - 0.5, color="black", linewidth=1.5)
        start += len(declared)
    shown = thinned(len(labels), MOST_LABELS)
    ax.set_yticks(list(shown), [labels[i] for i in shown])
