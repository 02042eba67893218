"""Which factors go with what else is known of the rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from pyro_favae.errors import DataError
from pyro_favae.results import Factors, Fit

FEWEST = 3  # rows to test with
#: of each kind of covariate, what its effect is
EFFECTS = {"numeric": "correlation", "binary": "AUC", "categorical": "eta2"}


def associate(fit: Fit, data: Mapping[str, Any], covariates: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """Test every active factor against every covariate of the rows; one row a pair.

    data: any subset of the views, as in ``fit.transform``. covariates: a column each; their rows are found by the
    index where the data's rows have names, and are in the same order otherwise. Missing values are left out, column
    by column.

    A column of two values, or of booleans, is binary: ``effect`` is the area under the ROC curve, the probability
    that the factor is higher in a row of the larger value, tested by Mann and Whitney's U. Other numbers are numeric:
    Pearson's correlation and its t test. All else is categorical: η², the share of the factor's variance between
    categories, and the F test of one-way analysis of variance. ``p`` is two-sided, ``q`` adjusted over the whole
    table (Benjamini and Hochberg 1995), ``rows`` how many count. NaN where nothing varies or fewer than three rows
    are left.

    ``reliability``: Var(ḡ) / (Var(ḡ) + mean posterior variance), over the rows. Tested are the posterior means ḡ,
    which shrink where data say little: p values hold, but correlations with the factor itself are up to
    1/√reliability as large. Factors that no view uses are left out. Raises :class:`DataError` for rows that do not
    match and for infinite numbers.
    """
    factors = fit.transform(data)
    table = _matched(covariates, factors.index)
    active = np.flatnonzero(fit.active.any().to_numpy())
    reliability = _reliability(factors)
    records = [
        {
            "factor": factor,
            "covariate": name,
            **_tested(factors.mean[:, factor], table[name]),
            "reliability": reliability[factor],
        }
        for factor in active
        for name in table.columns
    ]
    columns = ["factor", "covariate", "kind", "measure", "effect", "p", "q", "rows", "reliability"]
    frame = pd.DataFrame(records, columns=columns)
    frame["q"] = _adjusted(frame["p"].to_numpy(float))
    return frame


def _matched(covariates: pd.DataFrame | pd.Series, index: pd.Index) -> pd.DataFrame:
    """The covariates of the rows in their order."""
    table = covariates.to_frame() if isinstance(covariates, pd.Series) else covariates
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"covariates are a {type(covariates).__name__}, expected a data frame, a column each")
    if not table.columns.is_unique:
        raise DataError(f"covariates: column names repeat: {list(table.columns[table.columns.duplicated()])}")
    if isinstance(index, pd.RangeIndex):
        if len(table) != len(index):
            raise DataError(f"covariates have {len(table)} rows, expected {len(index)} as the data")
        return table.reset_index(drop=True)
    if table.index.has_duplicates:
        raise DataError(f"covariates: the index repeats {table.index[table.index.duplicated()][0]!r}")
    if not len(index.intersection(table.index)):
        raise DataError(
            f"covariates: none of the rows is in their index; rows are named {list(index[:3])}, covariates "
            f"{list(table.index[:3])}"
        )
    return table.reindex(index)


def _tested(factor: np.ndarray, covariate: pd.Series) -> dict[str, Any]:
    known = covariate.notna().to_numpy()
    values, factor = covariate[known].infer_objects(), factor[known]
    kind = _kind(values)
    if kind == "numeric" and np.isinf(values.to_numpy(float)).any():
        raise DataError(f"covariate {covariate.name!r} holds infinite values; expected finite ones, or NaN")
    effect, p = np.nan, np.nan
    if len(values) >= FEWEST and values.nunique() > 1 and np.ptp(factor) > 0:
        effect, p = _TESTS[kind](factor, values)
    return {"kind": kind, "measure": EFFECTS[kind], "effect": effect, "p": p, "rows": len(values)}


def _kind(values: pd.Series) -> str:
    if values.nunique() == 2 or pd.api.types.is_bool_dtype(values):
        return "binary"
    return "numeric" if pd.api.types.is_numeric_dtype(values) else "categorical"


def _correlation(factor: np.ndarray, values: pd.Series) -> tuple[float, float]:
    result = stats.pearsonr(factor, values.to_numpy(float))
    return float(result.statistic), float(result.pvalue)


def _area(factor: np.ndarray, values: pd.Series) -> tuple[float, float]:
    labels, _ = pd.factorize(values, sort=True)
    high = labels == 1
    result = stats.mannwhitneyu(factor[high], factor[~high])
    return float(result.statistic) / (high.sum() * (~high).sum()), float(result.pvalue)


def _between(factor: np.ndarray, values: pd.Series) -> tuple[float, float]:
    """η² and the p value of F; no p value where every row is a category of its own."""
    labels, _ = pd.factorize(values)
    counts = np.bincount(labels)
    centred = factor - factor.mean()
    between = (np.bincount(labels, centred) ** 2 / counts).sum()
    total = np.square(centred).sum()
    freedom = len(counts) - 1, len(factor) - len(counts)
    if not freedom[1]:
        return float(between / total), np.nan
    f = (between / freedom[0]) / max((total - between) / freedom[1], np.finfo(float).tiny)
    return float(between / total), float(stats.f.sf(f, *freedom))


_TESTS = {"numeric": _correlation, "binary": _area, "categorical": _between}


def _reliability(factors: Factors) -> np.ndarray:
    """Of each factor's posterior means, (K,)."""
    varying = factors.mean.var(0)
    return varying / (varying + np.square(factors.sd).mean(0))


def _adjusted(p: np.ndarray) -> np.ndarray:
    """Of those that there are."""
    q, known = np.full(len(p), np.nan), np.isfinite(p)
    if known.any():
        q[known] = stats.false_discovery_control(p[known])
    return q
