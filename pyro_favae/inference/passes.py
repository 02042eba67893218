"""Passes over every row: what the views say under the present posterior, and the sums of it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import reduce
from operator import add
from typing import cast

import torch

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.errors import DataError
from pyro_favae.inference.encodings import Encodings
from pyro_favae.inference.guide import LEARNING_TOLERANCE, FAVAEGuide
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.processes import ALONE, Processes
from pyro_favae.inference.randomness import set_random_state
from pyro_favae.inference.rows import ViewRows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.views.gaussian import GaussianRows

CHUNK_BYTES = 2**23  # of closed-form views: what a processor's cache holds between two products
CHUNK_ROWS = 2048  # of views with networks
MATRIX_BYTES = 2**27  # of one matrix of the factors' size for each row of a chunk, as binary views need them


class Passes:
    """Reads a data set in order or shuffled; views whose networks are left as they are are encoded once.

    ``everything`` has all rows, ``dataset`` those of this process.
    """

    def __init__(
        self,
        guide: FAVAEGuide,
        everything: Dataset,
        batch_size: int,
        interrupt: DeferredInterrupt,
        processes: Processes = ALONE,
    ) -> None:
        """batch_size: rows of a minibatch, in all processes together."""
        self.guide, self.everything, self.batch_size = guide, everything, batch_size
        self.interrupt, self.processes = interrupt, processes
        self.dataset = everything.part(processes.share(len(everything)))
        self.shares = processes.shares(len(everything))
        if not min(self.shares):
            raise DataError(
                f"{len(everything)} rows for {processes.count} processes, expected one row for each"
            )
        self.batches = min(-(-len(everything) // batch_size), min(self.shares))  # minibatches a pass
        self.encodings: dict[str, Encodings] = {}
        self.low_rank = (
            True  # whether exact passes may leave out what makes next to no difference to the bound
        )

    def state_dict(self) -> dict:
        """Which views are encoded once, and from what random state."""
        return {name: encodings.random_state for name, encodings in self.encodings.items()}

    def load_state_dict(self, state: dict) -> None:
        """Encode the same views again, with the same draws; leaves torch's generators elsewhere than they were."""
        for name, random_state in state.items():
            set_random_state(random_state, self.guide.device)
            self.encode([name])

    def statistics(self, start: bool = False) -> Statistics:
        """Sums over every row; with ``start``, of stand-ins where a view's inference is slow."""
        snapshot = self.guide.eval().snapshot()
        with torch.no_grad():
            parts = (self._batch_statistics(batch, snapshot, start) for batch in self._in_order())
            return self.processes.total(reduce(add, parts))

    def batch_rows(self, position: int) -> int:
        """Rows of a pass's minibatch, in all processes together."""
        return sum(rows // self.batches + (position < rows % self.batches) for rows in self.shares)

    def _batch_statistics(self, batch: Batch, snapshot: Snapshot, start: bool) -> Statistics:
        views = self.view_rows(batch, snapshot, start)
        for name in batch.data:
            inference, emission = self.guide.inference(name), self.guide.model.emission(name)
            inference.evaluate(views[name], batch.data[name], emission)
        rows = self.guide.infer(
            views,
            batch.n,
            snapshot=snapshot,
            tolerance=LEARNING_TOLERANCE,
            groups=batch.host_groups,
            low_rank=self.low_rank,
        )
        return rows.statistics()

    def stand_ins(self) -> Iterator[list[GaussianRows]]:
        """The views' rows as Gaussians, a batch at a time."""
        snapshot = self.guide.snapshot()
        for batch in self._in_order():
            views = self.view_rows(batch, snapshot, start=True)
            yield [cast(GaussianRows, rows) for rows in views.values()]

    def shuffled(self, seed: int, start: int = 0) -> Generator[Batch, None, None]:
        """Minibatches in the random order that a seed gives, every row once, from the ``start``-th on."""
        generator = torch.Generator().manual_seed(seed + self.processes.rank)
        return self.dataset.shuffled(
            self.batch_size, self.guide.device, generator, self._read, start, self.batches
        )

    def view_rows(self, batch: Batch, snapshot: Snapshot, start: bool = False) -> dict[str, ViewRows]:
        """What each view says about a batch; those encoded before are not read again."""
        read = self.guide.view_rows(batch.data, batch.seen, snapshot=snapshot, start=start)
        return {
            name: read[name] if name in read else self.encodings[name].rows(batch.rows, snapshot.views[name])
            for name in self.guide.names
        }

    def encode(self, names: Sequence[str]) -> None:
        """Encode every row of views whose networks are left as they are from here on."""
        snapshot = self.guide.snapshot()
        for name in names:
            self.encodings[name] = Encodings(self.guide, snapshot, self.dataset, name, self.chunk)

    def read_again(self, names: Sequence[str]) -> None:
        """Forget the encodings of views whose networks are about to change."""
        for name in names:
            del self.encodings[name]

    def _in_order(self) -> Iterator[Batch]:
        with closing(self.dataset.in_order(self.chunk, self.guide.device, self._read)) as batches:
            for batch in batches:
                if self.processes.count == 1:  # several processes may only end together
                    self.interrupt.check()
                yield batch

    @property
    def _read(self) -> list[str]:
        """The views whose data a pass needs."""
        return [name for name in self.guide.names if name not in self.encodings]

    @property
    def chunk(self) -> int:
        """Rows at a time where nothing but speed and memory depends on it."""
        largest = max(1, MATRIX_BYTES // (8 * (self.guide.declaration.n_factors + 1) ** 2))
        if any(inference.trained_by_gradient for inference in self.guide.inferences):
            return min(largest, max(self.batch_size, CHUNK_ROWS))
        width = sum(view.latent_dim for view in self.guide.declaration.views.values())
        return min(largest, 4096, max(256, CHUNK_BYTES // (8 * width)))
