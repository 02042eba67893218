"""Learning from minibatches: networks and closed forms together, or closed forms alone."""

from collections.abc import Collection, Mapping
from contextlib import closing
from functools import partial
from typing import cast

import torch
from torch import Tensor

from pyro_favae.data.dataset import Batch
from pyro_favae.inference.global_updates import GlobalUpdates
from pyro_favae.inference.guide import LEARNING_STEPS
from pyro_favae.inference.other_views import prior_from_other_views
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.plan import Plan
from pyro_favae.inference.rest import RestPoints
from pyro_favae.inference.rows import ViewRows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.step import NetworkStep
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.inference.watch import Watch, watched
from pyro_favae.models.execution import Execution

STOCHASTIC_FORGETTING = 0.7  # the t-th minibatch weighs t^-0.7, and at least its share of the rows
ROTATION_STEPS = 10  # minibatches between rotations where no network is trained
SEEDS = 2**62


class MinibatchPasses:
    """Passes in random order; statistics are decayed sums of minibatches', for N rows.

    A global update from them is a natural-gradient step (Hoffman et al. 2013) in the space of statistics. Between any
    two minibatches a pass may be left and, from its state and the posterior, be continued.
    """

    def __init__(
        self,
        passes: Passes,
        plan: Plan,
        step: NetworkStep | None,
        updates: GlobalUpdates,
        execution: Execution,
    ) -> None:
        """step: of the networks, None where none is trained. execution: how they are run."""
        self.passes, self.plan, self.step, self.updates = passes, plan, step, updates
        self.execution = execution
        self.guide, self.processes, self.watch = passes.guide, passes.processes, Watch()
        self.forget()

    def forget(self) -> None:
        """Start from no statistics."""
        self.running: Statistics | None = None  # this process's part of a sum over the processes
        self.seen = 0  # minibatches that ``running`` is of
        self.seed: int | None = None  # of the present pass's order, None between passes
        self.position = 0  # minibatches of the present pass

    def state_dict(self) -> dict:
        """What the next minibatch depends on besides the guide; raises an error for numbers that went bad."""
        self.watch.ask()
        return {
            "running": None if self.running is None else self.total().state_dict(),
            "seen": self.seen,
            "seed": self.seed,
            "position": self.position,
            "step": None if self.step is None else self.step.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        self.running = None
        if state["running"] is not None:
            total = Statistics.from_state(state["running"], self.guide.device)
            self.running = self.processes.part_of(total)
        self.seen, self.seed, self.position = state["seen"], state["seed"], state["position"]
        if self.step is not None:
            self.step.load_state_dict(state["step"])

    def __call__(
        self,
        generator: torch.Generator,
        rest: RestPoints,
        passes: int,
        learn: bool,
        teachers: Collection[str] = (),
    ) -> None:
        """Every row once, or what is left of a pass; with ``learn`` false the global posterior stays as it is.

        generator: draws the seed of the order. rest: called after each minibatch. passes: how many are done.
        teachers: views whose rows teach the networks what to make of them.
        """
        if self.seed is None:
            self.seed, self.position = int(torch.randint(SEEDS, (), generator=generator)), 0
        snapshot = self.guide.train().snapshot()
        with closing(self.passes.shuffled(self.seed, self.position)) as batches:
            for batch in batches:
                self.take(batch, snapshot, teachers)
                if learn and self.position % self.plan.every == 0:
                    self._update()
                    snapshot = self.guide.snapshot()
                rest(passes)
        self.seed = None

    def take(self, batch: Batch, snapshot: Snapshot, teachers: Collection[str] = ()) -> None:
        """A step of the networks, and the minibatch's statistics added, without waiting for the device."""
        with watched(self.watch), self.execution.running():
            self._take(batch, snapshot, teachers)

    def _take(self, batch: Batch, snapshot: Snapshot, teachers: Collection[str]) -> None:
        views = self.passes.view_rows(batch, snapshot)
        rows = self.guide.infer(
            views,
            batch.n,
            snapshot=snapshot,
            iterations=LEARNING_STEPS,
            tolerance=0.0,
            groups=batch.host_groups,
        )
        if self.step is not None:
            encoded = {name: cast(EncodedRows, views[name]) for name in self.step.terms}
            prior_of = partial(prior_from_other_views, snapshot, rows)
            self.step(batch.data, encoded, prior_of, self._taught(views, teachers))
        total, n = len(self.passes.everything), self.passes.batch_rows(self.position)
        self.position += 1
        self.seen += 1
        forgetting = STOCHASTIC_FORGETTING if self.step is None else 1.0
        share = max(n / total, self.seen**-forgetting)
        part = rows.statistics().scaled(total / n)
        self.running = part if self.running is None else self.running.scaled(1 - share) + part.scaled(share)

    def _taught(self, views: Mapping[str, ViewRows], teachers: Collection[str]) -> dict[str, Tensor]:
        """For each view whose networks are no teacher's, the rows that have one, (rows,) booleans."""
        masks = [views[name].mask.any(1) for name in teachers]
        pupils = (name for name in cast(NetworkStep, self.step).terms if name not in teachers)
        return {name: torch.stack(masks).any(0) for name in pupils if masks}

    def _update(self) -> None:
        if self.step is None and self.position % ROTATION_STEPS == 0:
            self.settle()
            return
        total = self.total()
        self.updates.update(total, self._moment)
        self.running = self.processes.part_of(total)

    def total(self) -> Statistics:
        """What was seen so far, by all processes; raises an error for numbers that went bad."""
        self.watch.ask()
        return self.processes.total(cast(Statistics, self.running))

    def settle(self) -> Statistics:
        """Update and rotate by what was seen so far; returns it in what are now the factors' coordinates."""
        total = self.updates.update_and_rotate(self.total(), self._moment)
        self.running = self.processes.part_of(total)
        return total

    @property
    def _moment(self) -> str:
        return f"after minibatch {self.seen}"
