"""Where the rows of a view come from: memory, a memory-mapped file, or rows of another source in another order."""

from abc import ABC, abstractmethod
from math import prod

import numpy as np
import torch
from torch import Tensor


def as_tensor(array: np.ndarray) -> Tensor:
    """Numbers as a tensor: booleans, bytes and floats as they are, other integers as float64.

    Raises TypeError for what holds no numbers.
    """
    kept = array.dtype.kind == "b" or array.dtype in (np.uint8, np.float16, np.float32, np.float64)
    if array.dtype.kind in "iuf" and not kept:
        array = array.astype(np.float64)
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


class Source(ABC):
    """Rows (N, *event) of numbers, as the user's type (uint8 images stay uint8)."""

    shape: tuple[int, ...]
    streamed: bool = False  # whether rows are read or made when they are asked for

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def take(self, rows: slice | Tensor) -> Tensor:
        """Some rows, by a slice or by indices; not to be written to."""


class TensorSource(Source):
    """Rows in memory."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        self.shape = tuple(values.shape)

    def take(self, rows: slice | Tensor) -> Tensor:
        return self.values[rows]


class MemmapSource(Source):
    """Rows of a NumPy memory map, mapped anew for each request so that what was read does not stay in memory."""

    streamed = True

    def __init__(self, values: np.memmap, shape: tuple[int, ...] | None = None) -> None:
        """Shape: read the map as if it had this one; its own when left out."""
        self.filename, self.offset, self.dtype = str(values.filename), values.offset, values.dtype
        self.shape = shape or values.shape

    @staticmethod
    def fits(values: object) -> bool:
        """Whether these are numbers as a file holds them: a whole memory map, no slice and no copy on write."""
        if not isinstance(values, np.memmap) or isinstance(values.base, np.ndarray) or values.mode == "c":
            return False
        return values.filename is not None and values.dtype.kind in "biuf" and values.flags.c_contiguous

    def take(self, rows: slice | Tensor) -> Tensor:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return as_tensor(np.array(self._map(start, stop)))
        return as_tensor(self._map(0, len(self))[rows.numpy()])

    def _map(self, start: int, stop: int) -> np.memmap:
        offset = self.offset + start * prod(self.shape[1:]) * self.dtype.itemsize
        shape = (stop - start, *self.shape[1:])
        return np.memmap(self.filename, self.dtype, mode="r", offset=offset, shape=shape)


class ReindexedSource(Source):
    """Rows of another source in another order, zeros where it has none."""

    def __init__(self, source: Source, positions: Tensor) -> None:
        """Positions: (N,), which row of the source each row is, −1 for none."""
        self.source, self.positions, self.streamed = source, positions, source.streamed
        self.shape = (len(positions), *source.shape[1:])

    def take(self, rows: slice | Tensor) -> Tensor:
        positions = self.positions[rows]
        known = positions >= 0
        taken = self.source.take(positions[known])
        if known.all():
            return taken
        values = taken.new_zeros(len(positions), *self.shape[1:])
        values[known] = taken
        return values


class PartSource(Source):
    """Consecutive rows of another source."""

    def __init__(self, source: Source, rows: slice) -> None:
        self.source, self.rows, self.streamed = source, range(*rows.indices(len(source))), source.streamed
        self.shape = (len(self.rows), *source.shape[1:])

    def take(self, rows: slice | Tensor) -> Tensor:
        if isinstance(rows, slice):
            taken = self.rows[rows]
            return self.source.take(slice(taken.start, taken.stop, taken.step))
        return self.source.take(rows + self.rows.start)
