"""A bounded sample of rows that stream by, for what no sum over them can tell."""

import torch
from torch import Tensor


class RowSample:
    """At most ``size`` of the rows that were added, drawn uniformly; all of them while they fit.

    Every row gets a random key, and those with the smallest stay.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self._generator = torch.Generator().manual_seed(seed)
        self._limit = 1.0  # no row with a larger key can stay
        self._keys: list[Tensor] = []
        self._rows: list[tuple[Tensor, ...]] = []

    def add(self, *rows: Tensor) -> None:
        """Add rows, each as a part of every given tensor, (n, ...)."""
        keys = torch.rand(len(rows[0]), generator=self._generator, dtype=torch.float64)
        keys, rows = _below(self._limit, keys, rows)
        self._keys.append(keys)
        self._rows.append(rows)
        if sum(map(len, self._keys)) > 2 * self.size:
            self._thin()

    def rows(self) -> tuple[Tensor, ...]:
        """The sample, tensors (at most size, ...)."""
        self._thin()
        return tuple(map(torch.cat, zip(*self._rows, strict=True)))

    def _thin(self) -> None:
        keys = torch.cat(self._keys)
        if len(keys) <= self.size:
            return
        self._limit = float(keys.kthvalue(self.size).values)
        parts = [_below(self._limit, *part) for part in zip(self._keys, self._rows, strict=True)]
        self._keys, self._rows = map(list, zip(*parts, strict=True))


def _below(limit: float, keys: Tensor, rows: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The rows whose keys are not larger."""
    chosen = (keys <= limit).nonzero()[:, 0]
    if len(chosen) == len(keys):
        return keys, rows
    return keys[chosen], tuple(part[chosen.to(part.device)] for part in rows)
