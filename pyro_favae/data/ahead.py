"""Processes that read rows from disk ahead of their use."""

import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pyro_favae.errors import DataError
from pyro_favae.models.declaration import require_count

Part = TypeVar("Part")
Rows = slice | Tensor

_workers: ContextVar[int] = ContextVar("workers", default=0)


@contextmanager
def reading(workers: int) -> Iterator[None]:
    """Within it, memory-mapped arrays and torch datasets are read by so many processes, ahead of their use.

    What is read and its order do not depend on their number; with 0 nothing is read ahead. It is for datasets that
    take long to make an item, such as image files. Raises :class:`SpecError` for what is no number of processes.

    >>> import numpy as np
    >>> import pyro_favae as fv
    >>> rows = np.random.default_rng(0).normal(size=(20, 2))
    >>> fit = fv.fit(fv.FAVAE({"x": fv.views.Real(2)}, n_factors=1), {"x": rows}, epochs=2, seed=0, progress=False)
    >>> with fv.reading(workers=2):  # rows in memory need no reading
    ...     factors = fit.transform({"x": rows})
    """
    require_count("reading", least=0, workers=workers)
    token = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(token)


def read_each(
    read: Callable[[Rows], Part], parts: Sequence[Rows], streamed: bool, seed: int
) -> Generator[tuple[Rows, Part], None, None]:
    """Each part of the rows and what ``read`` gives for it, in their order.

    streamed: whether it takes from disk, and is worth a process. seed: of torch's generators in the processes, which
    nothing but random transforms of a user's dataset draws from.
    """
    count = min(_workers.get(), len(parts))
    if not streamed or not count:
        for part in parts:
            yield part, read(part)
        return
    loader = DataLoader(
        _Parts(read, parts),
        batch_size=None,
        num_workers=count,
        collate_fn=_as_it_is,
        worker_init_fn=_leave_interrupts,
        generator=torch.Generator().manual_seed(seed),  # its own: the default one is what learning draws from
    )
    iterator = iter(loader)
    try:
        for part, values in zip(parts, _received(iterator), strict=True):
            if isinstance(values, DataError):
                raise values
            yield part, values
    finally:
        del iterator  # which ends its processes


def _received(iterator: Iterator) -> Iterator:
    try:
        yield from iterator
    except RuntimeError as error:
        if "worker" not in str(error):
            raise
        raise DataError(
            f"a process that reads rows has ended: {error}; likely causes are too little memory, also of /dev/shm, "
            "or a dataset that may not be read by several processes: use workers=0"
        ) from error


class _Parts(Dataset):
    """The parts by their number; errors of the data come back as items, with their own words."""

    def __init__(self, read: Callable[[Rows], Any], parts: Sequence[Rows]) -> None:
        self.read = read
        # tensors would be sent as shared memory, each with a file of its own
        self.parts = [part if isinstance(part, slice) else part.numpy() for part in parts]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, position: int) -> Any:
        part = self.parts[position]
        try:
            return self.read(torch.from_numpy(part) if isinstance(part, np.ndarray) else part)
        except DataError as error:
            return error


def _as_it_is(part: Part) -> Part:
    return part


def _leave_interrupts(worker: int) -> None:
    """Ctrl-C reaches every process of a terminal; the one that learns decides what comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
