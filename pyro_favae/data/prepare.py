"""From arrays, tensors, lists and data frames to a :class:`Dataset`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data.dataset import Dataset
from pyro_favae.errors import DataError
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import View


def prepare(model: FAVAE, data: Mapping[str, Any]) -> Dataset:
    """Align and check the data of every view of a model.

    Data frames are aligned by index (outer join: a row that one lacks is missing that view); everything else
    is by position and must have as many rows as the whole. A row that is all NaN, or ``None`` in a list, lacks
    the view. Raises :class:`DataError` naming the view, what was seen and what was expected.
    """
    known_views(model, data)
    absent = [name for name in model.views if data.get(name) is None]
    if absent:
        raise DataError(f"no data for view {absent[0]!r}; given: {list(data)}, declared: {list(model.views)}")
    return _aligned(model, data)


def given_views(model: FAVAE, given: Mapping[str, Any]) -> Dataset:
    """The same for any non-empty subset of the views, as predictions are asked from."""
    known_views(model, given)
    given = {name: values for name, values in given.items() if values is not None}
    if not given:
        raise DataError("nothing given to predict from: pass data of at least one view")
    given = {name: _as_rows(model.views[name], values) for name, values in given.items()}
    return _aligned(model, given, learn=False)


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
        return values.to_frame().T
    shape = np.shape(values) if not isinstance(values, Tensor) else tuple(values.shape)
    if shape == view.event_shape:
        return values[None] if isinstance(values, Tensor) else np.asarray(values)[None]
    return values


def _aligned(model: FAVAE, data: Mapping[str, Any], learn: bool = True) -> Dataset:
    frames = {name: values for name, values in data.items() if isinstance(values, pd.DataFrame | pd.Series)}
    others = {name: values for name, values in data.items() if name not in frames}
    index = _index(frames, others)
    if not len(index):
        raise DataError(f"views {list(data)} have 0 rows, expected at least one")
    tensors, observed = {}, {}
    for name, values in data.items():
        view = model.views[name]
        if name in frames:
            values = _frame_values(name, view, frames[name], index)
        tensors[name], observed[name] = _tensor(name, view, values)
        if len(tensors[name]) != len(index):
            raise DataError(
                f"view {name!r} has {len(tensors[name])} rows, expected {len(index)} as in the other views; "
                "mark rows that lack a view by NaN or None, or give data frames to align by index"
            )
        if observed[name].any():
            view.check(name, tensors[name][observed[name]])
        elif learn:
            raise DataError(f"view {name!r} is missing in all {len(index)} rows, expected it in at least one")
    views = {name: view for name, view in model.views.items() if name in tensors}
    in_order = {name: tensors[name] for name in views}
    return Dataset(views, in_order, {name: observed[name] for name in views}, index)


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


def _tensor(name: str, view: View, values: Any) -> tuple[Tensor, Tensor]:
    """Values as a tensor (rows, *event) with missing rows zero, and which rows are observed."""
    present = None
    if isinstance(values, list | tuple) and any(row is None for row in values):
        present = torch.tensor([row is not None for row in values])
        if not present.any():
            return torch.zeros(len(values), *view.event_shape), present
        filler = np.zeros_like(np.asarray(next(row for row in values if row is not None)))
        values = [filler if row is None else np.asarray(row) for row in values]
    tensor = _numbers(name, values)
    if tensor.dim() == 1 and view.event_shape == (1,):
        tensor = tensor[:, None]
    if tuple(tensor.shape[1:]) != view.event_shape:
        hint = "images are channels first" if len(view.event_shape) == 3 else "one row for each observation"
        raise DataError(
            f"view {name!r} has shape {tuple(tensor.shape)}, expected (rows, "
            f"{', '.join(map(str, view.event_shape))}); {hint}"
        )
    if tensor.is_floating_point():
        missing = torch.isnan(tensor).flatten(1).all(1)
        present = ~missing if present is None else present & ~missing
        tensor = torch.where(present.reshape(-1, *[1] * len(view.event_shape)), tensor, 0.0)
    elif present is None:
        present = torch.ones(len(tensor), dtype=torch.bool)
    return tensor, present


def _numbers(name: str, values: Any) -> Tensor:
    if isinstance(values, Tensor):
        tensor = values.detach().cpu()
    else:
        try:
            array = np.asarray(values)
            if array.dtype == object:
                array = array.astype(np.float64)
            tensor = torch.as_tensor(np.require(array, requirements=["C", "W"]))
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
