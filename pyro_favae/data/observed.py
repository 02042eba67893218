"""What is observed of a view in some rows, known both to the device and to the host."""

from functools import cached_property

import torch
from torch import Tensor


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Values moved without waiting for what the device has been given to do before."""
    return values.to(device, non_blocking=True)


class Observed:
    """Booleans (rows, 1), or (rows, *event) where single entries are missing.

    What a step does depends on them. Asking a GPU would hold up the host until all it has been given is done, so the
    questions are answered by ``host``, which the data come from.
    """

    def __init__(self, host: Tensor, device: torch.device) -> None:
        self.host, self.device = host, device

    @classmethod
    def of(cls, observed: "Tensor | Observed") -> "Observed":
        """The same, of a mask wherever it is."""
        return observed if isinstance(observed, Observed) else cls(observed.cpu(), observed.device)

    @cached_property
    def everywhere(self) -> bool:
        """Whether nothing is missing."""
        return bool(self.host.numpy().all())

    @cached_property
    def mask(self) -> Tensor:
        """The booleans on the device."""
        if self.everywhere:
            return torch.ones(self.host.shape, dtype=torch.bool, device=self.device)
        return on_device(self.host, self.device)

    @cached_property
    def count(self) -> int:
        """How many rows have the view."""
        return int(self._present.sum())

    @property
    def rows(self) -> "Observed":
        """Which rows have the view, (rows, 1)."""
        if self.host.shape[1:] == (1,):
            return self
        return Observed(torch.from_numpy(self._present)[:, None], self.device)

    @cached_property
    def entries(self) -> Tensor | None:
        """What is observed of the rows that have the view, (…, *event), on the device; None for all of it."""
        return None if self.host.shape[1:] == (1,) else self.of_rows(self.mask)

    def of_rows(self, values: Tensor) -> Tensor:
        """Those of values (rows, ...) whose row has the view."""
        return values if self.count == len(self.host) else values[self._positions]

    def spread(self, values: Tensor) -> Tensor:
        """Values (rows that have the view, ...) at their places among all rows, zeros in the others."""
        if self.count == len(self.host):
            return values
        everywhere = values.new_zeros(len(self.host), *values.shape[1:])
        return everywhere.index_copy(0, self._positions, values)

    @cached_property
    def _present(self):
        return self.host.numpy().reshape(len(self.host), -1).any(1)

    @cached_property
    def _positions(self) -> Tensor:
        return on_device(torch.from_numpy(self._present.nonzero()[0]), self.device)
