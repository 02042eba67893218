"""Whether predictive intervals hold what they promise, on entries that were hidden."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data import Dataset, given_views, prepare, require_view
from pyro_favae.data.dataset import ViewData
from pyro_favae.data.source import TensorSource
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.declaration import require_count
from pyro_favae.models.views import Categorical, DecoderView, View
from pyro_favae.results import Fit
from pyro_favae.results.draws import seeded
from pyro_favae.results.predictive import draw_latents, inferred_batches

Entries = dict[str, Tensor]  # by view, (rows, *event)


@torch.no_grad()
def coverage(
    fit: Fit,
    data: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    *,
    views: Sequence[str] | None = None,
    levels: Sequence[float] = (0.5, 0.8, 0.9, 0.95),
    share: float = 0.2,
    draws: int = 400,
    seed: int | None = None,
) -> pd.DataFrame:
    """How often hidden entries lie within the predictive interval of each level; one row a view and level.

    data: the truth, of rows that were not learnt from, or of which the entries in question were hidden when it was
    learnt from. given: the same rows with NaN where something is hidden; when None, ``share`` of the entries of each
    view are hidden at random, of whole rows where a view cannot lack single ones. views: which to look at, and to
    hide entries of; when None, entries of all are hidden and those looked at that have intervals.

    Columns: ``coverage``, the share of hidden entries inside the central interval; ``standard_error`` of it, rows
    being the unit, because entries of a row err together; ``entries`` and ``rows`` that were hidden. A model that is
    right covers ``level``, within about two standard errors. Intervals are of equal tails, from ``draws`` predictive
    ones with all posterior uncertainty and noise; ties, as of counts, are broken at random.

    Binary views and classes have no intervals and are left out: :func:`calibration` is for them. Raises
    :class:`SpecError` where no view is left and for ``views`` without intervals, :class:`DataError` for unknown ones,
    for data that do not fit and where nothing is hidden.
    """
    require_count("coverage", draws=draws)
    bad = [value for value in (share, *levels) if not 0 < value < 1]
    if bad:
        raise SpecError(f"coverage: {bad[0]!r} is no share, expected levels and share above 0 and below 1")
    names = _looked_at(fit, views)
    dataset = prepare(fit.declaration, data)
    with seeded(fit.guide, seed):
        seen = (
            _hidden_at_random(dataset, views or dataset.views, share)
            if given is None
            else _as_given(fit, dataset, given)
        )
        ranks = _ranks(fit, dataset, seen, names, draws)
    rows = [_row(name, level, *ranks[name]) for name in names for level in levels if name in ranks]
    if not rows:
        raise DataError(
            f"coverage: nothing of {names} is hidden in what is given, so there is nothing to look at"
        )
    return pd.DataFrame(rows).set_index(["view", "level"])


def _looked_at(fit: Fit, wanted: Sequence[str] | None) -> list[str]:
    """The views to look at, checked."""
    having = [name for name, view in fit.declaration.views.items() if _has_intervals(view)]
    for name in wanted or ():
        require_view(fit.declaration, name)
        if name not in having:
            raise SpecError(f"coverage: view {name!r} has no values with intervals, expected one of {having}")
    if not having:
        raise SpecError(
            "coverage: no view has values with intervals; calibration is for binary views and classes"
        )
    return having if wanted is None else list(wanted)


def _has_intervals(view: View) -> bool:
    classes = isinstance(view, DecoderView) and view.likelihood.support == "class"
    return view.is_drawn and not view.binary and not isinstance(view, Categorical) and not classes


def _hidden_at_random(dataset: Dataset, names: Iterable[str], share: float) -> Dataset:
    """The data set with entries of the named views made NaN, from torch's own generator."""
    views = dict(dataset.views)
    for name in names:
        rows = dataset.views[name]
        values, observed = rows.batch(slice(None), torch.device("cpu"))
        entries = rows.view.missing_entries
        shape = values.shape if entries else (len(values), *[1] * (values.dim() - 1))
        values = values.to(torch.float64) if not values.is_floating_point() else values
        kept = _entries(observed, values) & (torch.rand(shape) >= share)
        values = torch.where(kept, values, torch.nan)
        views[name] = ViewData(rows.view, TensorSource(values), kept.flatten(1).any(1), entries)
    return replace(dataset, views=views)


def _as_given(fit: Fit, dataset: Dataset, given: Mapping[str, Any]) -> Dataset:
    seen = given_views(fit.declaration, given)
    if len(seen) != len(dataset):
        raise DataError(f"coverage: {len(seen)} rows are given, expected {len(dataset)}, those of the data")
    return seen


def _ranks(
    fit: Fit, dataset: Dataset, seen: Dataset, names: Sequence[str], draws: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By view, of each hidden entry, where it lies among its predictive draws, in (0, 1), and which row it is of."""
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in names}
    generator = torch.Generator(device=fit.guide.device).manual_seed(int(torch.randint(2**31 - 1, ())))
    start = 0
    for batch, rows in inferred_batches(fit.guide, seen):
        truth = dataset.batch(batch.rows, fit.guide.device)
        hidden = {name: _entries(truth.observed[name], truth.data[name]) for name in names}
        for name in set(names) & set(batch.data):
            hidden[name] = hidden[name] & ~_entries(batch.observed[name], batch.data[name])
        below = {name: torch.rand_like(truth.data[name], dtype=torch.float64) for name in names}
        for _ in range(draws):
            latents = draw_latents(fit.guide, names, rows, 1, generator)
            for name in names:
                drawn = fit.model.emission(name).replicate(latents[name][0])
                below[name] += drawn < truth.data[name]
                below[name] += (drawn == truth.data[name]) * torch.rand_like(below[name])
        for name, mask in hidden.items():
            row = start + torch.nonzero(mask)[:, 0]
            parts[name].append(((below[name][mask] / (draws + 1)).cpu().numpy(), row.cpu().numpy()))
        start += batch.n
    joined = {
        name: [np.concatenate(both) for both in zip(*pairs, strict=True)] for name, pairs in parts.items()
    }
    return {name: (places, rows) for name, (places, rows) in joined.items() if len(places)}


def _entries(observed: Tensor, values: Tensor) -> Tensor:
    """What is observed of values (rows, *event), as booleans of their shape."""
    shape = (len(values), *observed.shape[1 : values.dim()], *[1] * (values.dim() - observed.dim()))
    return observed.reshape(shape).expand(values.shape)


def _row(name: str, level: float, ranks: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
    """Coverage with the standard error of a ratio of sums over rows."""
    inside = np.abs(ranks - 0.5) <= level / 2
    found = inside.mean()
    excess = np.bincount(rows, weights=inside - found)
    return {
        "view": name,
        "level": level,
        "coverage": found,
        "standard_error": np.sqrt(np.square(excess).sum()) / len(ranks),
        "entries": len(ranks),
        "rows": len(np.unique(rows)),
    }
