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
        self._rows: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Add rows (n, width)."""
        keys = torch.rand(len(rows), generator=self._generator, dtype=torch.float64)
        if self._limit < 1:
            chosen = keys <= self._limit
            keys, rows = keys[chosen], rows[chosen.to(rows.device)]
        self._keys.append(keys)
        self._rows.append(rows)
        if sum(map(len, self._keys)) > 2 * self.size:
            self._thin()

    def rows(self) -> Tensor:
        """The sample, (at most size, width)."""
        self._thin()
        return self._rows[0]

    def _thin(self) -> None:
        keys, rows = torch.cat(self._keys), torch.cat(self._rows)
        if len(keys) > self.size:
            chosen = keys.argsort()[: self.size]
            self._limit = float(keys[chosen[-1]])
            keys, rows = keys[chosen], rows[chosen.to(rows.device)]
        self._keys, self._rows = [keys], [rows]
