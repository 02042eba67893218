"""Dictionaries of numeric arrays out of pickles, without running anything that a pickle asks for."""

import os
import pickle
from typing import Any

import numpy as np

from pyro_favae.errors import DataError

NUMBERS = "biuf"  # kinds of dtype: booleans, integers, floats


class _Kind:
    """Stands for ``numpy.dtype``."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in NUMBERS:
            raise pickle.UnpicklingError(f"an array of {self.dtype}, expected numbers")

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for the empty array that NumPy fills when it unpickles one."""

    def __init__(self, kind: type, shape: tuple, code: Any) -> None:
        self.values = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, by_column, content = state
        content = (
            content.encode("latin1") if isinstance(content, str) else content
        )  # as Python 2 stores bytes
        values = np.frombuffer(content, kind.dtype)
        self.values = values.reshape(shape, order="F" if by_column else "C")


def _as_bytes(text: str, encoding: str) -> bytes:
    """How Python 3 stores bytes in a pickle that Python 2 can read."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


STAND_INS = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _as_bytes,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no array of numbers needs")
        return STAND_INS[module, name]


def read_pickled_arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays by name of a file that holds a pickled dictionary of them, of Python 2 or 3.

    Nothing of the file is executed, nor handed to NumPy's own unpickling: whatever asks for more than arrays of
    numbers raises :class:`DataError`, and so does a damaged file.
    """
    with open(path, "rb") as file:
        try:
            content = _ArrayUnpickler(file, encoding="latin1").load()
            return {str(name): array.values for name, array in content.items()}
        except (
            pickle.UnpicklingError,
            EOFError,
            AttributeError,
            IndexError,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            raise DataError(
                f"{os.fspath(path)!r} is no pickled dictionary of numeric arrays: {error}"
            ) from error
