"""Rows in the plane of two factors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError
from pyro_favae.plots.canvas import MARKERS, axes_for
from pyro_favae.results import Fit


def factors(
    fit: Fit,
    given: Mapping[str, Any],
    colour: ArrayLike | None = None,
    *,
    pair: tuple[int, int] | None = None,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Posterior means of two factors of the rows given, in units of their prior (within a component of a mixture).

    colour: (rows,) covariate. Up to twelve categories differ in marker and colour; numbers beyond that go by a
    map from dark to light. pair: which factors; the first two active ones when left out. label: names the covariate.
    """
    means = fit.transform(given).mean
    first, second = _pair(fit, pair)
    x, y = means[:, first], means[:, second]
    ax = axes_for(ax, 6.5, 4.8)
    if colour is None:
        ax.scatter(x, y, s=14, color="black", alpha=0.5)
    else:
        _by_covariate(ax, x, y, pd.Series(np.asarray(colour)), label)
    unit = "sd within a component" if fit.declaration.factors.n_components > 1 else "prior sd"
    ax.set_xlabel(f"factor {first} ({unit})")
    ax.set_ylabel(f"factor {second} ({unit})")
    ax.set_title(f"{len(means):,} rows given {', '.join(given)}")
    return ax


def _pair(fit: Fit, pair: tuple[int, int] | None) -> tuple[int, int]:
    size = fit.declaration.n_factors
    if pair is None:
        active = np.flatnonzero(fit.active.any().to_numpy())
        pair = tuple([*active, *(k for k in range(size) if k not in active)][:2])
    if len(pair) != 2 or not all(0 <= k < size for k in pair):
        raise DataError(f"factors: pair is {pair!r}, expected two factors out of 0 to {size - 1}")
    return pair


def _by_covariate(ax: Axes, x: np.ndarray, y: np.ndarray, values: pd.Series, label: str | None) -> None:
    if len(values) != len(x):
        raise DataError(f"colour has {len(values)} values, expected one for each of {len(x)} rows")
    categories = sorted(values.dropna().unique())
    if len(categories) > len(MARKERS):
        points = ax.scatter(x, y, s=18, c=values.to_numpy(dtype=float), cmap="viridis", linewidth=0)
        ax.figure.colorbar(points, ax=ax, label=label)
        return
    shades = np.linspace(0, 0.92, max(len(categories), 2))
    for category, marker, shade in zip(categories, MARKERS, shades, strict=False):
        chosen = (values == category).to_numpy()
        ax.scatter(
            x[chosen],
            y[chosen],
            s=22,
            marker=marker,
            c=[shade] * chosen.sum(),
            cmap="viridis",
            vmin=0,
            vmax=1,
            edgecolor="black",
            linewidth=0.3,
            label=str(category),
        )
    ax.legend(title=label, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
