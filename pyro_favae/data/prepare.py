"""From what users hold to a :class:`Dataset`: rows aligned, checked, and what is missing marked."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data.ahead import read_each
from pyro_favae.data.dataset import Dataset, ViewData
from pyro_favae.data.groups import row_groups, split_labels
from pyro_favae.data.labelled import joined, modalities
from pyro_favae.data.reading import Given, as_rows, read
from pyro_favae.data.source import Source
from pyro_favae.errors import DataError, shown
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import View
from pyro_favae.models.views.base import all_finite

SCAN_BYTES = 2**24  # how much of a view is looked at at a time


def prepare(model: FAVAE, data: Mapping[str, Any]) -> Dataset:
    """Align and check the data of every view of a model.

    Data: a mapping of view names to arrays, tensors, lists, data frames, AnnData, sparse matrices or torch datasets,
    or a MuData, of which the modalities named as views are taken. What has row names is aligned by them (outer
    join: a row that one lacks is missing that view); everything else is by position and must have as many rows as
    the whole. A row that is all NaN, or ``None`` in a list, lacks the view; a table may lack single entries, NaN.
    Memory-mapped arrays (``numpy.load(..., mmap_mode="r")``) and torch datasets are read a few rows at a time and
    never held in memory, sparse matrices made dense a few rows at a time. Where the factors' prior groups rows, their
    labels stand beside the views, a series aligned by index. Raises :class:`DataError` naming the view, what was
    seen and what was expected.
    """
    data, labels = split_labels(model, data)
    data, index = modalities(data, model.views)
    _known_views(model, data)
    absent = [name for name in model.views if data.get(name) is None]
    if absent:
        raise DataError(f"no data for view {absent[0]!r}; given: {list(data)}, declared: {list(model.views)}")
    return _aligned(model, data, index, labels)


def given_views(model: FAVAE, given: Mapping[str, Any]) -> Dataset:
    """The same for any non-empty subset of the views, to predict from; labels of groups may be missing."""
    given, labels = split_labels(model, given)
    given, index = modalities(given, model.views)
    _known_views(model, given)
    given = {name: values for name, values in given.items() if values is not None}
    if not given and labels is None:
        raise DataError("nothing given to predict from: pass data of at least one view")
    given = {name: as_rows(model.views[name], values) for name, values in given.items()}
    return _aligned(model, given, index, labels, learn=False)


def _known_views(model: FAVAE, data: Mapping[str, Any]) -> None:
    """Raise :class:`DataError` unless data is a mapping whose keys are views of the model."""
    if not isinstance(data, Mapping):
        raise DataError(f"data is a {type(data).__name__}, expected a mapping of view names to arrays")
    for name in data:
        require_view(model, name)


def require_view(model: FAVAE, name: Any) -> None:
    """Raise :class:`DataError` unless this is the name of a view of the model."""
    if not isinstance(name, str) or name not in model.views:
        raise DataError(f"unknown view {shown(name)}; declared views: {list(model.views)}")


def _aligned(
    model: FAVAE,
    data: Mapping[str, Any],
    index: pd.Index | None,
    labels: pd.Series | None,
    learn: bool = True,
) -> Dataset:
    given = {name: read(name, model.views[name], values) for name, values in data.items()}
    index = joined({name: rows.labels for name, rows in given.items() if rows.labels is not None}, index)
    named = index is not None
    if not given and labels is not None:
        index = labels.index
    elif index is None:
        index = pd.RangeIndex(max(len(rows.source) for rows in given.values()))
    if not len(index):
        raise DataError(f"views {list(data)} have 0 rows, expected at least one")
    for name, rows in given.items():
        if rows.labels is None and len(rows.source) != len(index):
            raise DataError(
                f"view {name!r} has {len(rows.source)} rows, expected {len(index)} as in the other views; "
                "mark rows that lack a view by NaN or None, or give data frames to align by index"
            )
    views = {}
    for name, view in model.views.items():
        if name not in given:
            continue
        views[name] = _view_data(name, view, given[name], index)
        if learn and not views[name].present.any():
            raise DataError(f"view {name!r} is missing in all {len(index)} rows, expected it in at least one")
    groups = row_groups(model, labels, index, by_index=named, learn=learn)
    return Dataset(views, index, groups)


def _view_data(name: str, view: View, given: Given, index: pd.Index) -> ViewData:
    """The rows of a view at their places among all rows."""
    present, partial = _scanned(name, view, given.source, given.absent)
    rows = ViewData(view, given.source, present, partial)
    if given.labels is None or given.labels.equals(index):
        return rows
    return rows.reindexed(torch.as_tensor(given.labels.get_indexer(index)))


def _scanned(name: str, view: View, source: Source, absent: Tensor | None) -> tuple[Tensor, bool]:
    """Check every row, some at a time; returns which are present and whether some lack single entries."""
    present = torch.ones(len(source), dtype=torch.bool) if absent is None else ~absent
    partial = False
    size = max(1, SCAN_BYTES // (8 * math.prod(view.event_shape)))
    parts = [slice(start, start + size) for start in range(0, len(source), size)]
    for rows, values in read_each(source.take, parts, source.streamed, seed=0):
        if not all_finite(values):
            missing = torch.isnan(values).reshape(len(values), -1)
            present[rows] &= ~missing.all(1)
            partial = partial or bool(missing[present[rows]].any())
        if present[rows].any():
            view.check(name, values if present[rows].all() else values[present[rows]])
        del values  # before the next ones are read
    return present, partial and view.missing_entries
