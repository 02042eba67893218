"""Aligned rows of several views, and minibatches of them."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial, reduce

import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data.ahead import read_each
from pyro_favae.data.moments import merged, moments_of
from pyro_favae.data.observed import Observed, on_device
from pyro_favae.data.source import PartSource, ReindexedSource, Source
from pyro_favae.models.views import View
from pyro_favae.models.views.base import Moments


@dataclass(frozen=True)
class Batch:
    """Rows on the device, in the types that learning works in; zeros where something is missing."""

    data: dict[str, Tensor]  # (rows, *event) by view
    seen: dict[str, Observed]  # what is observed of each view
    n: int
    rows: slice | Tensor  # which rows of the data set these are
    device: torch.device
    host_groups: Tensor | None = None  # (rows,) positions among the groups, not on the device

    @property
    def observed(self) -> dict[str, Tensor]:
        """Booleans by view, (rows, 1), or (rows, *event) where entries are missing, on the device."""
        return {name: seen.mask for name, seen in self.seen.items()}

    @property
    def groups(self) -> Tensor | None:
        """Positions among the groups, (rows,), on the device; see :class:`Dataset`."""
        return None if self.host_groups is None else on_device(self.host_groups, self.device)


@dataclass(frozen=True)
class ViewData:
    """The rows of one view, NaN where an entry is missing; what stands in rows that lack the view means nothing."""

    view: View
    source: Source
    present: Tensor  # (N,) booleans: rows that have the view
    partial: bool  # whether single entries are missing in some of them

    def batch(self, rows: slice | Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Values and what is observed of them; see :class:`Batch`."""
        values, seen = self.on_device(*self.taken(rows), device)
        return values, seen.mask

    def taken(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        """Values as the source has them and what is observed of them, in host memory."""
        values, present = self.source.take(rows), self.present[rows]
        if not self.partial:
            return values, present[:, None]
        return values, ~torch.isnan(values) & present.reshape(-1, *[1] * (values.dim() - 1))

    def on_device(self, values: Tensor, observed: Tensor, device: torch.device) -> tuple[Tensor, Observed]:
        """What :meth:`taken` gave, in the type that learning works in; zeros where something is missing."""
        if device.type == "cuda":
            values = values.pin_memory()
        values, seen = self.view.as_float(on_device(values, device)), Observed(observed, device)
        if not seen.everywhere:
            mask = seen.mask if self.partial else seen.mask.reshape(-1, *[1] * (values.dim() - 1))
            values = torch.where(mask, values, 0.0)
        return values, seen

    def reindexed(self, positions: Tensor) -> "ViewData":
        """The same rows in another order: positions (N,) among them, −1 for a row that lacks the view."""
        known = positions >= 0
        present = known.clone()
        present[known] = self.present[positions[known]]
        return replace(self, source=ReindexedSource(self.source, positions), present=present)

    def part(self, rows: slice) -> "ViewData":
        """Consecutive rows alone."""
        return replace(self, source=PartSource(self.source, rows), present=self.present[rows])


@dataclass(frozen=True)
class Dataset:
    """All rows of all views, in the order of the model's views."""

    views: Mapping[str, ViewData]
    index: pd.Index
    groups: Tensor | None = (
        None  # (N,) positions among the groups of the factors' prior, their number if unknown
    )

    def __len__(self) -> int:
        return len(self.index)

    def part(self, rows: slice) -> "Dataset":
        """Consecutive rows alone."""
        if rows == slice(0, len(self)):
            return self
        views = {name: view.part(rows) for name, view in self.views.items()}
        return Dataset(views, self.index[rows], None if self.groups is None else self.groups[rows])

    def batch(self, rows: slice | Tensor, device: torch.device, names: Sequence[str] | None = None) -> Batch:
        """Take rows of some views, all when left out, to the device."""
        names = list(self.views) if names is None else names
        return self._batch(rows, _taken({name: self.views[name] for name in names}, rows), device)

    def _batch(
        self, rows: slice | Tensor, taken: Mapping[str, tuple[Tensor, Tensor]], device: torch.device
    ) -> Batch:
        parts = {name: self.views[name].on_device(*part, device) for name, part in taken.items()}
        data = {name: values for name, (values, _) in parts.items()}
        seen = {name: observed for name, (_, observed) in parts.items()}
        n = len(range(*rows.indices(len(self)))) if isinstance(rows, slice) else len(rows)
        return Batch(data, seen, n, rows, device, None if self.groups is None else self.groups[rows])

    def in_order(
        self, size: int, device: torch.device, names: Sequence[str] | None = None
    ) -> Generator[Batch, None, None]:
        """Every row once, in order, at most ``size`` at a time."""
        parts = [slice(start, start + size) for start in range(0, len(self), size)]
        yield from self._each(parts, device, names, seed=0)

    def shuffled(
        self,
        size: int,
        device: torch.device,
        generator: torch.Generator,
        names: Sequence[str] | None = None,
        start: int = 0,
        batches: int | None = None,
    ) -> Generator[Batch, None, None]:
        """Every row once, in random order, in batches of nearly equal size of at most ``size``.

        start: batches at the beginning that are left out. batches: so many in the place of what the size gives.
        """
        order = torch.randperm(len(self), generator=generator)
        parts = order.tensor_split(batches or -(-len(self) // size))[start:]
        yield from self._each(parts, device, names, generator.initial_seed())

    def _each(
        self, parts: Sequence[slice | Tensor], device: torch.device, names: Sequence[str] | None, seed: int
    ) -> Iterator[Batch]:
        views = {name: self.views[name] for name in (self.views if names is None else names)}
        streamed = {name: view for name, view in views.items() if view.source.streamed}
        held = {name: view for name, view in views.items() if name not in streamed}
        with closing(read_each(partial(_taken, streamed), parts, bool(streamed), seed)) as read:
            for rows, taken in read:
                taken = taken | _taken(held, rows)
                yield self._batch(rows, {name: taken[name] for name in views}, device)

    def moments(self, name: str, size: int, device: torch.device) -> Moments:
        """Moments of a view's observed entries, ``size`` rows at a time, by column: the data's last dimension."""
        tables = (
            _table(batch.data[name].to(torch.float64), batch.observed[name])
            for batch in self.in_order(size, device, [name])
        )
        return reduce(merged, (moments_of(*table) for table in tables))


def _taken(views: Mapping[str, ViewData], rows: slice | Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    return {name: view.taken(rows) for name, view in views.items()}


def _table(values: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Values (rows, …, D) and what is observed of them as (rows · …, D), and (rows · …, 1) or (rows · …, D)."""
    observed = observed.reshape(len(values), *[1] * (values.dim() - observed.dim()), *observed.shape[1:])
    return values.flatten(0, -2), observed.expand(*values.shape[:-1], -1).flatten(0, -2)
