"""Rows in the plane of two factors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError
from pyro_favae.plots.canvas import MARKERS, axes_for, readable
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

    colour: (rows,) covariate; a series is aligned by its index where the rows given have names. Up to twelve
    categories differ in marker and colour; numbers beyond that go by a map from dark to light; rows of which it is
    missing are crosses. pair: which factors; the first two active ones when left out. label: names the covariate;
    a series' own name when left out. Raises :class:`DataError` for a pair or a covariate that cannot be drawn.
    """
    rows = fit.transform(given)
    first, second = _pair(fit, pair)
    x, y = rows.mean[:, first], rows.mean[:, second]
    ax = axes_for(ax, 6.5, 4.8)
    if colour is None:
        ax.scatter(x, y, s=14, color="black", alpha=0.5)
    else:
        values = _aligned(colour, rows.index)
        _by_covariate(ax, x, y, values, values.name if label is None else label)
    ax.set_xlabel(_axis_label(fit, first))
    ax.set_ylabel(_axis_label(fit, second))
    ax.set_title(f"{len(x):,} rows given {', '.join(map(readable, given))}")
    return ax


def _pair(fit: Fit, pair: tuple[int, int] | None) -> tuple[int, int]:
    """Two factors; the same twice where there is but one."""
    size = fit.declaration.n_factors
    if pair is None:
        active = np.flatnonzero(fit.active.any().to_numpy())
        pair = tuple([*active, *(k for k in range(size) if k not in active), 0][:2])
    if len(pair) != 2 or not all(0 <= k < size for k in pair):
        raise DataError(f"factors: pair is {pair!r}, expected two factors out of 0 to {size - 1}")
    return pair


def _axis_label(fit: Fit, factor: int) -> str:
    unit = "sd within a component" if fit.declaration.factors.n_components > 1 else "prior sd"
    return f"factor {factor} ({unit}{'' if fit.active[factor].any() else '; off'})"


def _aligned(colour: ArrayLike, index: pd.Index) -> pd.Series:
    """A value for each row; by name where both sides have names."""
    values = colour if isinstance(colour, pd.Series) else pd.Series(np.asarray(colour))
    if not any(isinstance(names, pd.RangeIndex) for names in (values.index, index)):
        return values.reindex(index)
    if len(values) != len(index):
        raise DataError(f"colour has {len(values)} values, expected one for each of {len(index)} rows")
    return values


def _by_covariate(ax: Axes, x: np.ndarray, y: np.ndarray, values: pd.Series, label: str | None) -> None:
    label = None if label is None else readable(label)
    categories = _categories(values)
    numbers = len(categories) > len(MARKERS)
    if numbers:
        points = ax.scatter(x, y, s=18, c=_numbers(values, len(categories)), cmap="viridis", linewidth=0)
        ax.figure.colorbar(points, ax=ax, label=label)
    else:
        _by_category(ax, x, y, values, categories)
    unknown = values.isna().to_numpy()
    if unknown.any():
        ax.scatter(
            x[unknown], y[unknown], s=18, marker="x", color="0.5", linewidth=0.8, zorder=1, label="unknown"
        )
    if unknown.any() and numbers:
        ax.legend(loc="best")
    elif not numbers:
        ax.legend(title=label, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)


def _by_category(ax: Axes, x: np.ndarray, y: np.ndarray, values: pd.Series, categories: list) -> None:
    shades = np.linspace(0, 0.92, max(len(categories), 2))
    for category, marker, shade in zip(categories, MARKERS, shades, strict=False):
        chosen = (values == category).to_numpy(dtype=bool, na_value=False)
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
            label=readable(str(category)),
        )


def _categories(values: pd.Series) -> list:
    """The values that occur, in the order declared for them or else sorted."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return list(values.cat.remove_unused_categories().cat.categories)
    return sorted(values.dropna().unique(), key=lambda value: (isinstance(value, str), value))


def _numbers(values: pd.Series, count: int) -> np.ndarray:
    try:
        return values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"colour has {count} categories, of which {len(MARKERS)} can be told apart, and they are no numbers "
            "to colour by; expected numbers or fewer categories"
        ) from error
