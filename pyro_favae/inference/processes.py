"""Processes that share a run: each has some of the rows, all have the same posterior and the same networks.

What they tell one another are sums: of gradients, and of statistics, whose size is the same for any number of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
import torch.distributed as dist
from torch import Tensor

from pyro_favae.data.moments import merged
from pyro_favae.errors import ProcessError
from pyro_favae.inference.statistics import FactorStatistics, Statistics, ViewStatistics
from pyro_favae.models.views.base import Moments


@dataclass(frozen=True)
class Processes:
    """This process's place among those of torch.distributed's default group; one alone needs no group."""

    rank: int = 0
    count: int = 1

    @classmethod
    def present(cls) -> "Processes":
        """Those of the group, if there is one."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, rows: int) -> slice:
        """The rows that this process has: consecutive, and no process has more than one row more than another."""
        return slice(rows * self.rank // self.count, rows * (self.rank + 1) // self.count)

    def shares(self, rows: int) -> list[int]:
        """How many rows each process has."""
        spans = (Processes(rank, self.count).share(rows) for rank in range(self.count))
        return [span.stop - span.start for span in spans]

    def own_draws(self) -> None:
        """Set torch's generators apart, so that no two processes draw the same noise."""
        if self.rank:
            torch.manual_seed(int(torch.randint(2**62, ())) + self.rank)

    def summed(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The sums over all processes of each tensor, by one all-reduce."""
        if self.count == 1:
            return list(tensors)
        flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
        self._communicate(lambda: dist.all_reduce(flat))
        parts = flat.split([tensor.numel() for tensor in tensors])
        return [part.reshape(like.shape).to(like.dtype) for part, like in zip(parts, tensors, strict=True)]

    def total(self, statistics: Statistics) -> Statistics:
        """The statistics of the rows of all processes, by one all-reduce."""
        if self.count == 1:
            return statistics
        # where a batch misses nothing, one gg stands for all features: all processes must send the same
        views = [replace(view, gg=view.gg.expand(len(view.n), -1, -1)) for view in statistics.views]
        parts = [_sums(view) for view in views] + [_sums(statistics.factors)]
        totals = iter(self.summed([value for part in parts for value in part.values()]))
        *of_views, of_factors = ({name: next(totals) for name in part} for part in parts)
        return Statistics(
            tuple(replace(view, **own) for view, own in zip(views, of_views, strict=True)),
            replace(statistics.factors, **of_factors),
        )

    def part_of(self, statistics: Statistics) -> Statistics:
        """What this process holds of a total: all of it in the first, nothing in the others."""
        return statistics if self.rank == 0 else statistics.scaled(0.0)

    def average(self, groups: Sequence[tuple[Sequence[Tensor], float]]) -> list[float]:
        """Average groups of tensors over the processes in place, each group with this process's weight.

        Returns the groups' total weights; a group whose total is zero stays as it is.
        """
        sent = [
            part
            for tensors, weight in groups
            for part in (*(weight * t for t in tensors), _number(weight, tensors))
        ]
        sums, totals = iter(self.summed(sent)), []
        for tensors, _ in groups:
            parts = [next(sums) for _ in tensors]
            totals.append(float(next(sums)))
            for tensor, part in zip(tensors, parts, strict=True):
                if totals[-1]:
                    tensor.copy_(part / totals[-1])
        return totals

    def any(self, *flags: bool) -> list[bool]:
        """Whether each flag is up in any process."""
        if self.count == 1:
            return list(flags)
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        (raised,) = self.summed([torch.tensor(flags, dtype=torch.float32, device=device)])
        return (raised > 0).tolist()

    def first(self, number: int) -> int:
        """The first process's number."""
        if self.count == 1:
            return number
        numbers = [number]
        self._communicate(lambda: dist.broadcast_object_list(numbers))
        return numbers[0]

    def merged(self, moments: Moments) -> Moments:
        """The moments of the rows of all processes."""
        if self.count == 1:
            return moments
        own = torch.stack(tuple(moments))
        gathered = [torch.empty_like(own) for _ in range(self.count)]
        self._communicate(lambda: dist.all_gather(gathered, own))
        return reduce(merged, (Moments(*part) for part in gathered))

    def _communicate(self, call) -> None:
        try:
            call()
        except RuntimeError as error:
            raise ProcessError(
                f"process {self.rank} of {self.count} cannot reach the others: {error}; one of them has probably "
                "ended or hangs. A run with a checkpoint goes on from it, with any number of processes"
            ) from error


def _number(weight: float, like: Sequence[Tensor]) -> Tensor:
    return like[0].new_full((1,), weight)


def _sums(part: ViewStatistics | FactorStatistics) -> dict[str, Tensor]:
    """The sums that a part has, by name."""
    return {name: value for name, value in vars(part).items() if value is not None}


ALONE = Processes()
