"""Rows that a torch dataset makes or reads when they are asked for."""

from collections.abc import Mapping, Sized
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from pyro_favae.data.source import Source, as_tensor
from pyro_favae.data.values import hint, instance_of, numbers, rows_shape
from pyro_favae.errors import DataError
from pyro_favae.models.views import View


class TorchDatasetSource(Source):
    """Items of a map-style dataset, each read anew whenever its row is asked for; none stays in memory.

    All are of the view's event shape and of one type: booleans, bytes and floats as they are, other numbers float64.
    """

    streamed = True

    def __init__(self, name: str, view: View, dataset: Dataset) -> None:
        self.name, self.view, self.dataset = name, view, dataset
        self.shape = (_length(name, dataset), *view.event_shape)
        self.dtype = self._read(0).dtype if len(self) else torch.float64

    @staticmethod
    def fits(values: object) -> bool:
        """Whether this is a torch dataset; of iterable ones too, which are refused by name."""
        return isinstance(values, Dataset)

    def take(self, rows: slice | Tensor) -> Tensor:
        positions = range(*rows.indices(len(self))) if isinstance(rows, slice) else rows.tolist()
        items = [self._item(row) for row in positions]
        return torch.stack(items) if items else torch.empty(0, *self.shape[1:], dtype=self.dtype)

    def _item(self, row: int) -> Tensor:
        item = self._read(row)
        if item.dtype != self.dtype:
            raise DataError(
                f"view {self.name!r}, row {row}: its item holds {item.dtype}, the first one {self.dtype}; expected "
                "one type in all rows"
            )
        return item

    def _read(self, row: int) -> Tensor:
        try:
            item = self.dataset[row]
        except Exception as error:  # whatever a user's own code raises
            kind = type(self.dataset).__name__
            raise DataError(
                f"view {self.name!r}, row {row}: its {kind} raised {type(error).__name__}: {error}"
            ) from error
        what = f"view {self.name!r}, row {row},"
        _require_one_part(what, item, self.shape[1:])
        return self._shaped(what, numbers(what, item))

    def _shaped(self, what: str, item: Tensor) -> Tensor:
        """The item in the event shape; a view of variable length makes it so."""
        event = self.shape[1:]
        shape = rows_shape(self.view, (1, *item.shape))[1:]
        if shape != event:
            padded = as_tensor(self.view.collected(self.name, [item.numpy()]))[0]
            shape, item = tuple(padded.shape), padded
        if shape != event:
            raise DataError(f"{what} has an item of shape {shape}, expected {event}; {hint(self.view)}")
        return item.reshape(event) if item.dim() else item.reshape(event).to(torch.float64)


def _length(name: str, dataset: Dataset) -> int:
    kind = type(dataset).__name__
    if not isinstance(dataset, IterableDataset):
        try:
            return len(cast(Sized, dataset))
        except (TypeError, NotImplementedError) as error:
            raise DataError(
                f"view {name!r} is a torch dataset without a length, a {kind}: {error}; expected a map-style one, "
                "with __len__ and __getitem__"
            ) from error
    raise DataError(
        f"view {name!r} is an iterable torch dataset, a {kind}, whose rows have no positions; expected a map-style "
        "one, with __len__ and __getitem__, or list(dataset) where all of it fits in memory"
    )


def _require_one_part(what: str, item: Any, event: tuple[int, ...]) -> None:
    """Raise :class:`DataError`, saying what to do, unless an item may be an array of numbers."""
    expected = f"expected an array, tensor or number of shape {event}"
    if isinstance(item, tuple | list | Mapping):
        key = next(iter(item), "image") if isinstance(item, Mapping) else 0
        raise DataError(
            f"{what} has an item that is a {type(item).__name__} of {len(item)} parts, {expected}; pick one by "
            f"fv.datasets.Field(dataset, {key!r})"
        )
    if instance_of(item, "PIL.Image", "Image"):
        raise DataError(
            f"{what} has a PIL image for an item, {expected}; give the dataset the transform "
            "torchvision.transforms.ToTensor(), which makes floats in [0, 1], or PILToTensor(), which keeps bytes"
        )
    if item is None:
        raise DataError(
            f"{what} has None for an item, {expected}; a row that lacks the view is an item of NaN"
        )
