"""Which factor of one fit is which of another."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from pyro_favae.errors import DataError
from pyro_favae.results import Fit


def match_factors(fit_a: Fit, fit_b: Fit, data: Mapping[str, Any]) -> pd.DataFrame:
    """Pair the factors of two fits by how they order the same rows; one row a factor of the first.

    ``match``: the factor of the second, by the optimal assignment of absolute correlations of the posterior means
    (Kuhn's Hungarian method), missing where the second has fewer; ``sign``: −1 where its direction is the opposite;
    ``correlation``: absolute, over the rows of data, 0 for a factor that does not vary. ``views`` and
    ``match_views``: which views use the one and the other; they ``agree`` where those are the same.

    The fits may differ in their seeds, priors, K or views, as long as both can read the data. Raises
    :class:`DataError` for fewer than two rows.
    """
    a, b = (_standardised(fit.transform(_known(fit, data)).mean) for fit in (fit_a, fit_b))
    if len(a) < 2:
        raise DataError(f"match_factors: {len(a)} row has no correlations, expected at least two")
    correlation = a.T @ b / len(a)
    rows, columns = linear_sum_assignment(-np.abs(correlation))
    frame = pd.DataFrame(index=pd.RangeIndex(a.shape[1], name="factor"))
    frame["match"] = pd.Series(columns, index=rows, dtype="Int64")
    found = correlation[rows, columns]
    frame["sign"] = pd.Series(np.where(found < 0, -1, 1), index=rows, dtype="Int64")
    frame["correlation"] = pd.Series(np.abs(found), index=rows)
    frame["views"] = _users(fit_a)
    users = _users(fit_b)
    frame["match_views"] = [users[j] if pd.notna(j) else () for j in frame["match"]]
    frame["agree"] = frame["views"] == frame["match_views"]
    return frame


def _known(fit: Fit, data: Mapping[str, Any]) -> dict[str, Any]:
    """What a fit can read of the data."""
    known = {*fit.declaration.views, fit.declaration.factors.column}
    return {name: values for name, values in data.items() if name in known}


def _standardised(values: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1; those that do not vary are zero."""
    centred, spread = values - values.mean(0), values.std(0)
    varies = spread > 1e-9 * max(1.0, np.abs(values).max())
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


def _users(fit: Fit) -> list[tuple[str, ...]]:
    """The views that use each factor."""
    active = fit.active
    return [tuple(active.index[active[factor]]) for factor in active]
