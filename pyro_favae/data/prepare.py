"""From arrays, tensors, lists and data frames to a :class:`Dataset`."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data.dataset import Dataset, ViewData
from pyro_favae.data.groups import row_groups, split_labels
from pyro_favae.data.source import MemmapSource, Source, TensorSource, as_tensor
from pyro_favae.errors import DataError
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import View

SCAN_BYTES = 2**24  # how much of a view is looked at at a time


def prepare(model: FAVAE, data: Mapping[str, Any]) -> Dataset:
    """Align and check the data of every view of a model.

    Data frames are aligned by index (outer join: a row that one lacks is missing that view); everything else
    is by position and must have as many rows as the whole. A row that is all NaN, or ``None`` in a list, lacks
    the view; a table may lack single entries, NaN. A memory-mapped array (``numpy.load(..., mmap_mode="r")``) is
    read a few rows at a time and never held in memory. Where the factors' prior groups rows, their labels stand
    beside the views, a series aligned by index. Raises :class:`DataError` naming the view, what was seen and what
    was expected.
    """
    data, labels = split_labels(model, data)
    known_views(model, data)
    absent = [name for name in model.views if data.get(name) is None]
    if absent:
        raise DataError(f"no data for view {absent[0]!r}; given: {list(data)}, declared: {list(model.views)}")
    return _aligned(model, data, labels)


def given_views(model: FAVAE, given: Mapping[str, Any]) -> Dataset:
    """The same for any non-empty subset of the views, to predict from; labels of groups may be missing."""
    given, labels = split_labels(model, given)
    known_views(model, given)
    given = {name: values for name, values in given.items() if values is not None}
    if not given and labels is None:
        raise DataError("nothing given to predict from: pass data of at least one view")
    given = {name: _as_rows(model.views[name], values) for name, values in given.items()}
    return _aligned(model, given, labels, learn=False)


def known_views(model: FAVAE, data: Mapping[str, Any]) -> None:
    """Raise :class:`DataError` unless data is a mapping whose keys are views of the model."""
    if not isinstance(data, Mapping):
        raise DataError(f"data is a {type(data).__name__}, expected a mapping of view names to arrays")
    unknown = [name for name in data if name not in model.views]
    if unknown:
        raise DataError(f"unknown view {unknown[0]!r}; declared views: {list(model.views)}")


def _as_rows(view: View, values: Any) -> Any:
    """A single row, as one conditions on, becomes a table of one row."""
    if isinstance(values, pd.Series):
        return values.to_frame() if math.prod(view.event_shape) == 1 else values.to_frame().T
    try:
        shape = tuple(values.shape) if isinstance(values, Tensor) else np.shape(values)
    except ValueError:  # rows, some of them None
        return values
    if shape == view.event_shape:
        return values[None] if isinstance(values, Tensor) else np.asarray(values)[None]
    return values


def _aligned(model: FAVAE, data: Mapping[str, Any], labels: pd.Series | None, learn: bool = True) -> Dataset:
    frames = {name: values for name, values in data.items() if isinstance(values, pd.DataFrame | pd.Series)}
    others = {name: values for name, values in data.items() if name not in frames}
    index = _index(frames, others) if data else labels.index
    if not len(index):
        raise DataError(f"views {list(data)} have 0 rows, expected at least one")
    views = {}
    for name, view in model.views.items():
        if name not in data:
            continue
        values = _frame_values(name, view, frames[name], index) if name in frames else data[name]
        views[name] = _view_data(name, view, values)
        if len(views[name].source) != len(index):
            raise DataError(
                f"view {name!r} has {len(views[name].source)} rows, expected {len(index)} as in the other views; "
                "mark rows that lack a view by NaN or None, or give data frames to align by index"
            )
        if learn and not views[name].present.any():
            raise DataError(f"view {name!r} is missing in all {len(index)} rows, expected it in at least one")
    groups = row_groups(model, labels, index, by_index=bool(frames), learn=learn)
    return Dataset(views, index, groups)


def _index(frames: Mapping[str, pd.DataFrame], others: Mapping[str, Any]) -> pd.Index:
    index = None
    for name, frame in frames.items():
        if frame.index.has_duplicates:
            repeated = frame.index[frame.index.duplicated()][0]
            raise DataError(f"view {name!r}: the index repeats {repeated!r}, expected one row for each label")
        index = frame.index if index is None else index.union(frame.index, sort=False)
    if index is not None:
        return index
    return pd.RangeIndex(max((_length(name, values) for name, values in others.items()), default=0))


def _length(name: str, values: Any) -> int:
    try:
        return len(values)
    except TypeError as error:
        raise DataError(
            f"view {name!r} is a {type(values).__name__}, expected an array, tensor, list or data frame of rows"
        ) from error


def _frame_values(name: str, view: View, frame: pd.DataFrame | pd.Series, index: pd.Index) -> np.ndarray:
    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    named = not all(feature.isdigit() for feature in view.feature_names)
    if named and set(view.feature_names) <= set(map(str, frame.columns)):
        frame = frame.rename(columns=str)[list(view.feature_names)]
    try:
        return frame.reindex(index).to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"view {name!r}: the data frame holds values that are not numbers: {error}"
        ) from error


def _view_data(name: str, view: View, values: Any) -> ViewData:
    """Values as rows (N, *event), which of them are present, and whether single entries are missing."""
    absent = None
    if isinstance(values, list | tuple) and any(row is None for row in values):
        absent = torch.tensor([row is None for row in values])
        values = _filled(view, values)
    source = _source(name, view, values)
    if source.shape[1:] != view.event_shape:
        expected = ", ".join(["rows", *map(str, view.event_shape)])
        hint = "images are channels first" if len(view.event_shape) == 3 else "one row for each observation"
        raise DataError(f"view {name!r} has shape {tuple(source.shape)}, expected ({expected}); {hint}")
    present, partial = _scanned(name, view, source, absent)
    return ViewData(view, source, present, partial)


def _source(name: str, view: View, values: Any) -> Source:
    if MemmapSource.fits(values):
        return MemmapSource(values, _rows_shape(view, values.shape))
    tensor = _numbers(name, values)
    return TensorSource(tensor.reshape(_rows_shape(view, tensor.shape)))


def _rows_shape(view: View, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A vector may stand for a column, and a column for a vector."""
    single = len(shape) < 3 and math.prod(shape[1:]) == 1 and view.event_shape in ((), (1,))
    return (shape[0], *view.event_shape) if single else tuple(shape)


def _filled(view: View, rows: list | tuple) -> list[np.ndarray]:
    """Zeros for the rows that are None."""
    known = [np.asarray(row) for row in rows if row is not None]
    filler = np.zeros_like(known[0]) if known else np.zeros(view.event_shape)
    return [filler if row is None else np.asarray(row) for row in rows]


def _scanned(name: str, view: View, source: Source, absent: Tensor | None) -> tuple[Tensor, bool]:
    """Check every row, some at a time; returns which are present and whether some lack single entries."""
    present = torch.ones(len(source), dtype=torch.bool) if absent is None else ~absent
    partial = False
    size = max(1, SCAN_BYTES // (8 * math.prod(view.event_shape)))
    for start in range(0, len(source), size):
        rows = slice(start, start + size)
        values = source.take(rows)
        if values.is_floating_point():
            missing = torch.isnan(values).reshape(len(values), -1)
            present[rows] &= ~missing.all(1)
            partial = partial or bool(missing[present[rows]].any())
        if present[rows].any():
            view.check(name, values[present[rows]])
    return present, partial and view.missing_entries


def _numbers(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor):
        tensor = values.detach().cpu()
    else:
        try:
            array = np.asarray(values)
            if array.dtype == object:
                array = array.astype(np.float64)
            tensor = as_tensor(array)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"view {name!r} cannot be read as an array of numbers: {error}; rows of unequal shape or text "
                "are the usual cause"
            ) from error
    if tensor.is_complex():
        raise DataError(f"view {name!r} holds complex numbers, expected real ones")
    if tensor.dtype in (torch.bool, torch.uint8) or tensor.is_floating_point():
        return tensor
    return tensor.to(torch.float64)
