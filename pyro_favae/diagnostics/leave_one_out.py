"""How well each view is predicted from all the others of its row."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from pyro_favae.data import Dataset, prepare
from pyro_favae.errors import SpecError
from pyro_favae.inference.rows import Rows
from pyro_favae.models.views import View
from pyro_favae.results import Fit
from pyro_favae.results.density import density_of_rows, nothing_known
from pyro_favae.results.predictive import inferred, predict_rows

#: of the truth, where it is seen, and what is predicted
Score = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def leave_one_view_out(fit: Fit, data: Mapping[str, Any]) -> pd.DataFrame:
    """Predict every view from all others of the same rows; one row a view.

    ``log_density``: mean log predictive density of an entry, nats. ``measure`` and ``score``: the area under the ROC
    curve of binary views, mean of the attributes that occur as both 0 and 1; the accuracy of classes; R² of all else,
    1 − Σ(x − predicted)² / Σ(x − mean of the feature)², pixels of images counted alike. ``marginal_log_density`` and
    ``marginal_score`` are those of the fit's prediction when nothing is given, the view's means or frequencies: what
    stands above them is what sharing buys. ``rows``: how many have the view; others are left out. A missing entry
    does not count.

    Use held-out data: rows that were learnt from flatter the fit. Raises :class:`SpecError` for a single view.
    """
    names = fit.posterior.names
    if len(names) < 2:
        raise SpecError(f"leave_one_view_out: {names[0]!r} is the only view, expected two or more")
    dataset = prepare(fit.declaration, data)
    rows = {name: _told(fit, name, dataset) for name in names}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("view")


def _told(fit: Fit, name: str, dataset: Dataset) -> dict[str, Any]:
    view = fit.declaration.views[name]
    others = replace(dataset, views={n: rows for n, rows in dataset.views.items() if n != name})
    values, observed = dataset.views[name].batch(slice(None), torch.device("cpu"))
    density, predicted = _scored(fit, name, dataset, lambda: inferred(fit.guide, others))
    marginal_density, marginal = _scored(fit, name, dataset, lambda: nothing_known(fit.guide, len(dataset)))
    truth, seen = values.numpy(), observed.numpy()
    measure, score = _measure(view, predicted.ndim > truth.ndim)
    return {
        "log_density": density,
        "marginal_log_density": marginal_density,
        "measure": measure,
        "score": score(truth, seen, predicted),
        "marginal_score": score(truth, seen, marginal),
        "rows": int(dataset.views[name].present.sum()),
    }


def _scored(
    fit: Fit, name: str, dataset: Dataset, chunks: Callable[[], Iterable[Rows]]
) -> tuple[float, np.ndarray]:
    """Mean log density of the observed entries, and what is predicted, (rows, ...)."""
    density = density_of_rows(fit.guide, name, dataset, chunks(), seed=0)
    return float(np.nanmean(density)), predict_rows(fit.guide, name, chunks(), dataset.index, seed=0).mean


def _measure(view: View, classes: bool) -> tuple[str, Score]:
    if view.binary:
        return "AUC", _area
    return ("accuracy", _accuracy) if classes else ("R2", _explained)


def _area(truth: np.ndarray, seen: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over attributes of which both values are seen; NaN if there are none."""
    seen = _entries(truth, seen)
    areas = [
        roc_auc_score(truth[known, d], predicted[known, d])
        for d, known in enumerate(seen.T)
        if len(np.unique(truth[known, d])) == 2
    ]
    return float(np.mean(areas)) if areas else np.nan


def _accuracy(truth: np.ndarray, seen: np.ndarray, predicted: np.ndarray) -> float:
    known = _entries(truth, seen)
    return float(accuracy_score(truth[known], predicted.argmax(-1)[known]))


def _entries(truth: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """What is seen, (rows, *event), of what is by row, (rows, 1), or by entry."""
    shape = (len(truth), *seen.shape[1 : truth.ndim], *[1] * (truth.ndim - seen.ndim))
    return np.broadcast_to(seen.reshape(shape), truth.shape)


def _explained(truth: np.ndarray, seen: np.ndarray, predicted: np.ndarray) -> float:
    """Of entries about the means of their features; where data end in variances, of what comes before these."""
    truth = truth[:, : predicted.shape[1]]
    seen = _entries(truth, seen)
    centre = np.mean(truth, 0, where=seen)
    return float(r2_score((truth - centre)[seen], (predicted - centre)[seen]))
