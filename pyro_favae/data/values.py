"""Numbers out of what users hold."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pyro_favae.data.source import as_tensor
from pyro_favae.errors import DataError
from pyro_favae.models.views import View


def instance_of(value: object, module: str, name: str) -> bool:
    """Whether a value is of a class of a module that need not be installed: who has a value has imported it."""
    return isinstance(value, getattr(sys.modules.get(module), name, ()))


def numbers(what: str, values: Any) -> Tensor:
    """Values as a tensor: booleans, bytes and floats as they are, other numbers as float64.

    Raises :class:`DataError`, beginning with ``what``, for what holds no real numbers.
    """
    if isinstance(values, Tensor):
        tensor = _dense(what, values)
    else:
        try:
            array = _array(values)
            if array.dtype == object:
                array = array.astype(np.float64)
            tensor = as_tensor(array)
        except Exception as error:  # whatever an array-like of the user's own raises
            raise DataError(
                f"{what} cannot be read as an array of numbers: {error}; rows of unequal shape or text "
                "are the usual cause"
            ) from error
    if tensor.is_complex():
        raise DataError(f"{what} holds complex numbers, expected real ones")
    if tensor.dtype in (torch.bool, torch.uint8) or tensor.is_floating_point():
        return tensor
    return tensor.to(torch.float64)


def _dense(what: str, values: Tensor) -> Tensor:
    """A tensor in memory as plain numbers; raises :class:`DataError` for one that holds none."""
    if values.is_quantized or values.is_meta:
        kind = (
            "quantized: use its dequantize()"
            if values.is_quantized
            else "on the device 'meta', without numbers"
        )
        raise DataError(f"{what} is a tensor that is {kind}; expected one of numbers")
    tensor = values.detach().cpu()
    return tensor if tensor.layout == torch.strided else tensor.to_dense()


def stacked(name: str, view: View, rows: Sequence[Any]) -> tuple[np.ndarray, Tensor | None]:
    """Rows of a list as one array, zeros for those that are None, and which are, if any: (N,) booleans."""
    absent = torch.tensor([row is None for row in rows], dtype=torch.bool)
    known = [_row(name, row) for row in rows if row is not None]
    if any(row.shape != view.event_shape for row in known):
        values = view.collected(name, known)
    else:
        values = np.stack(known) if known else np.zeros((0, *view.event_shape))
    if not absent.any():
        return values, None
    whole = np.zeros((len(rows), *values.shape[1:]), values.dtype)
    whole[~absent.numpy()] = values
    return whole, absent


def _row(name: str, row: Any) -> np.ndarray:
    try:
        return _array(row.detach().cpu() if isinstance(row, Tensor) else row)
    except Exception as error:  # as above
        raise DataError(
            f"view {name!r}: a row of it cannot be read as an array of numbers: {error}; parts of unequal shape are "
            "the usual cause"
        ) from error


def _array(values: Any) -> np.ndarray:
    """An array, NaN where a masked one is masked: NumPy would hand out what the mask hides."""
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.filled(values.astype(np.result_type(values, np.float64)), np.nan)
    return np.asarray(values)


def rows_shape(view: View, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A vector may stand for a column, and a column for a vector."""
    single = len(shape) < 3 and math.prod(shape[1:]) == 1 and view.event_shape in ((), (1,))
    return (shape[0], *view.event_shape) if single else tuple(shape)


def hint(view: View) -> str:
    """What is often wrong with a shape."""
    return "images are channels first" if len(view.event_shape) == 3 else "one row for each observation"
