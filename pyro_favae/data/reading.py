"""What a user gives for one view, as rows that are not yet aligned with those of other views."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from pyro_favae.data.labelled import is_labelled, unlabelled
from pyro_favae.data.source import MemmapSource, Source, TensorSource
from pyro_favae.data.sparse import SparseSource, compressed, dense_row
from pyro_favae.data.torch_dataset import TorchDatasetSource
from pyro_favae.data.values import hint, numbers, rows_shape, stacked
from pyro_favae.errors import DataError
from pyro_favae.models.views import View


@dataclass(frozen=True)
class Given:
    """Rows of one view as they were given."""

    source: Source
    absent: Tensor | None  # (rows,) booleans: rows given as None
    labels: pd.Index | None  # names of the rows, where they have any


def read(name: str, view: View, values: Any) -> Given:
    """Rows of a view from any form of data; raises :class:`DataError` for what cannot be its rows."""
    labels = absent = None
    if is_labelled(values):
        values, labels = unlabelled(name, view, values)
    if isinstance(values, Tensor) and values.is_nested:
        values = values.unbind()
    if isinstance(values, list | tuple):
        values, absent = stacked(name, view, values)
    source = _source(name, view, values)
    if source.shape[1:] != view.event_shape:
        expected = ", ".join(["rows", *map(str, view.event_shape)])
        raise DataError(f"view {name!r} has shape {tuple(source.shape)}, expected ({expected}); {hint(view)}")
    return Given(source, absent, labels)


def _source(name: str, view: View, values: Any) -> Source:
    if TorchDatasetSource.fits(values):
        return TorchDatasetSource(name, view, values)
    if SparseSource.fits(values):
        matrix = compressed(name, values)
        return SparseSource(matrix, rows_shape(view, matrix.shape))
    if MemmapSource.fits(values):
        return MemmapSource(values, rows_shape(view, values.shape))
    tensor = numbers(f"view {name!r}", values)
    if not tensor.dim():
        raise DataError(
            f"view {name!r} is a {type(values).__name__}, expected an array, tensor, list, data frame, sparse matrix "
            "or torch dataset of rows"
        )
    return TensorSource(tensor.reshape(rows_shape(view, tensor.shape)))


def as_rows(view: View, values: Any) -> Any:
    """A single row, as one conditions on, becomes a table of one row."""
    if isinstance(values, pd.Series):
        return values.to_frame() if math.prod(view.event_shape) == 1 else values.to_frame().T
    if is_labelled(values) or isinstance(values, Mapping) or TorchDatasetSource.fits(values):
        return values
    try:
        shape = tuple(values.shape) if isinstance(values, Tensor) else np.shape(values)
    except (TypeError, ValueError, RuntimeError):  # rows of a list, some of them None, or tensors as they are
        return values
    if shape != view.event_shape:
        return values
    values = dense_row(values) if SparseSource.fits(values) else values
    return values[None] if isinstance(values, Tensor) else np.asarray(values)[None]
