"""Aligned rows of several views, and minibatches of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from pyro_favae.models.views import View


@dataclass(frozen=True)
class Batch:
    """Rows on the device, in the types that learning works in; zeros where a row lacks a view."""

    data: dict[str, Tensor]  # (rows, *event) by view
    observed: dict[str, Tensor]  # (rows,) booleans by view
    n: int


@dataclass(frozen=True)
class Dataset:
    """All rows, as the user's types (uint8 images stay uint8)."""

    views: Mapping[str, View]
    data: Mapping[str, Tensor]  # (N, *event) by view
    observed: Mapping[str, Tensor]  # (N,) booleans by view
    index: pd.Index

    def __len__(self) -> int:
        return len(self.index)

    def only(self, rows: Tensor, names: Sequence[str]) -> "Dataset":
        """Some rows (a mask or indices) of some views."""
        return Dataset(
            {name: self.views[name] for name in names},
            {name: self.data[name][rows] for name in names},
            {name: self.observed[name][rows] for name in names},
            self.index[rows.numpy()],
        )

    def batch(self, rows: Tensor | slice, device: torch.device) -> Batch:
        """Take rows to the device."""
        data = {
            name: self.views[name].as_float(values[rows].to(device)) for name, values in self.data.items()
        }
        observed = {name: mask[rows].to(device) for name, mask in self.observed.items()}
        return Batch(data, observed, len(self.index[rows.numpy() if isinstance(rows, Tensor) else rows]))

    def in_order(self, size: int, device: torch.device) -> Iterator[Batch]:
        """Every row once, in order, at most ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size), device)

    def shuffled(self, size: int, device: torch.device, generator: torch.Generator) -> Iterator[Batch]:
        """Every row once, in random order, in batches of nearly equal size of at most ``size``."""
        order = torch.randperm(len(self), generator=generator)
        for rows in order.tensor_split(-(-len(self) // size)):
            yield self.batch(rows, device)
