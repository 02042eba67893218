"""One part of a data set whose items have several."""

from typing import Any

from torch.utils.data import Dataset

from pyro_favae.errors import DataError


class Field(Dataset):
    """One part of a torch dataset's items, so that each part can be a view.

    For example ``{"digit": Field(mnist, 0), "label": Field(mnist, 1)}``, or ``Field(scans, "image")`` where items are
    mappings. dataset: anything with a length and items by position. key: the part's position or name. Items are read
    anew for each part. Raises :class:`DataError`, when an item is asked for, if it has no such part.
    """

    def __init__(self, dataset: Any, key: int | str) -> None:
        self.dataset, self.key = dataset, key

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, row: int) -> Any:
        item = self.dataset[row]
        try:
            return item[self.key]
        except (IndexError, KeyError, TypeError) as error:
            names = f" with {list(item)}" if hasattr(item, "keys") else ""
            length = f" of {len(item)}" if hasattr(item, "__len__") and not names else ""
            raise DataError(
                f"Field: item {row} is a {type(item).__name__}{length}{names}, which has no part {self.key!r}"
            ) from error
