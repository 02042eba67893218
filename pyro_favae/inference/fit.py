"""The one loop: rows → closed-form q(g) → networks' step → additive statistics → global updates."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.inference.guide import LEARNING_STEPS, READING_STEPS, FAVAEGuide
from pyro_favae.inference.history import Callback, History
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.order import sort_factors
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.start import calibrate, place_components, randomise_weights
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.step import NetworkStep

START_SWEEPS = 10  # closed-form sweeps before the first recorded pass
SETTLING_SWEEPS = 3  # closed-form sweeps after the networks have stopped
UPDATES_A_PASS = 4  # global updates in a pass that also trains networks
PATIENCE = 10  # passes over which a stochastic bound's gain is judged


@dataclass(frozen=True)
class Settings:
    """How to learn; see :func:`pyro_favae.fit`."""

    epochs: int
    tolerance: float
    batch_size: int
    learning_rate: float
    train_networks: bool
    seed: int
    progress: bool
    callbacks: tuple[Callback, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """The history of a run and why it ended: ``"tolerance"``, ``"epochs"``, ``"callback"`` or ``"interrupted"``."""

    history: pd.DataFrame
    ended_by: str


class Run:
    """A run of the loop on one guide, which it changes in place."""

    def __init__(self, guide: FAVAEGuide, dataset: Dataset, settings: Settings) -> None:
        self.guide, self.dataset, self.settings = guide, dataset, settings
        self.posterior = guide.posterior
        self.device = guide.posterior.factors.component_means.device
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.encoded = [name for name in guide.names if guide.inference(name).trained_by_gradient]
        self.closed_form = [name for name in guide.names if name not in self.encoded]
        self.trains = bool(self.encoded) and settings.train_networks
        betas = {name: guide.declaration.views[name].beta for name in self.encoded}
        total = settings.epochs + (SETTLING_SWEEPS if self.trains else 0)
        self.interrupt = DeferredInterrupt()
        self.history = History(self.posterior, betas, settings.callbacks, settings.progress, total)

    def __call__(self) -> Outcome:
        """Learn; Ctrl-C ends the run early and keeps what was learnt."""
        try:
            with self.interrupt:
                ended_by = self._learn()
        except KeyboardInterrupt:
            ended_by = "interrupted"
        finally:
            self.guide.eval()
            self.history.close()
            sort_factors(self.posterior)
        if not self.history.records:
            self.interrupt = DeferredInterrupt()
            self._sweep("interrupted")
        return Outcome(self.history.frame(), ended_by)

    def _learn(self) -> str:
        self._start()
        if not self.trains:
            return self._sweep_to_tolerance(self.settings.epochs)
        ended_by = self._train()
        for _ in range(SETTLING_SWEEPS):
            self._sweep("settle")
        return ended_by

    # closed forms alone

    def _sweep(self, stage: str) -> bool:
        """One exact pass: every row's q, then the global updates. The bound never falls."""
        self.guide.eval()
        statistics = self._statistics(self.guide.names)
        return self._update(statistics, stage)

    def _sweep_to_tolerance(self, sweeps: int) -> str:
        window = PATIENCE if self.encoded else 1  # an encoder view's likelihood is one draw
        for _ in range(sweeps):
            if self._sweep("sweep"):
                return "callback"
            if self._converged(window):
                return "tolerance"
        return "epochs"

    def _statistics(self, names: Sequence[str], start: bool = False) -> Statistics:
        total = None
        with torch.no_grad():
            for batch in self.dataset.in_order(self._chunk(), self.device):
                self.interrupt.check()
                part = self._batch_statistics(batch, names, start)
                total = part if total is None else total + part
        return total

    def _batch_statistics(self, batch: Batch, names: Sequence[str], start: bool) -> Statistics:
        data = {name: batch.data[name] for name in names}
        views = self.guide.view_rows(data, batch.observed, start=start)
        for name in set(names) & set(self.encoded):
            self.guide.inference(name).evaluate(views[name], data[name], self.guide.model.emission(name))
        return self.guide.infer(views, batch.n, iterations=READING_STEPS).statistics()

    def _chunk(self) -> int:
        """Rows at a time where nothing but memory depends on it."""
        return max(self.settings.batch_size, 2048)

    def _update(self, statistics: Statistics, stage: str) -> bool:
        self.posterior.update(statistics)
        rotation = rotate(self.posterior, statistics)
        return self.history.add(rotation.statistics, stage)

    # start

    def _start(self) -> None:
        calibrate(self.guide, self.dataset)
        randomise_weights(self.guide, self.generator)
        if self.closed_form and self._needs_start():
            for _ in range(START_SWEEPS):
                self._start_sweep()
            place_components(self.guide, self.dataset, self.closed_form, self.generator)

    def _needs_start(self) -> bool:
        several = self.guide.declaration.factors.n_components > 1
        return several or bool(self.encoded) or any(view.needs_start for view in self.guide.inferences)

    def _start_sweep(self) -> None:
        """Closed-form views alone, before encoders mean anything."""
        self.guide.eval()
        statistics = self._statistics(self.closed_form, start=True)
        for name, sums in zip(self.closed_form, statistics.views, strict=True):
            self.posterior.view(name).update(sums)
        self.posterior.factors.update(statistics.factors)

    # networks and closed forms together

    def _train(self) -> str:
        batches = -(-len(self.dataset) // self.settings.batch_size)
        step = NetworkStep(self.guide, self.settings.learning_rate, batches * self.settings.epochs)
        running: Statistics | None = None
        for epoch in range(self.settings.epochs):
            first = epoch == 0
            running, stop = self._train_pass(step, running, max(1, batches // UPDATES_A_PASS), first)
            if first and not self.closed_form:
                place_components(self.guide, self.dataset, self.encoded, self.generator)
            if stop:
                return "callback"
            if self._converged(PATIENCE):
                return "tolerance"
        return "epochs"

    def _train_pass(
        self, step: NetworkStep, running: Statistics | None, every: int, start: bool
    ) -> tuple[Statistics, bool]:
        """Every row once in random order; statistics are sums over about the last N rows seen."""
        self.guide.train()
        size, total = self.settings.batch_size, len(self.dataset)
        for i, batch in enumerate(self.dataset.shuffled(size, self.device, self.generator), start=1):
            self.interrupt.check()
            views = self.guide.view_rows(batch.data, batch.observed, start=start)
            rows = self.guide.infer(views, batch.n, iterations=LEARNING_STEPS)
            step(batch.data, rows, views)
            part = rows.statistics()
            running = part if running is None else running.scaled(1 - batch.n / total) + part
            if i % every == 0:
                self.posterior.update(running.scaled(total / float(running.factors.n)))
        running = running.scaled(total / float(running.factors.n))
        self.posterior.update(running)
        running = rotate(self.posterior, running).statistics
        return running, self.history.add(running, "train")

    def _converged(self, window: int) -> bool:
        """Whether the objective rose by less than the tolerance of its size for each pass of a window.

        The objective is the bound, unless a view's likelihood is tempered.
        """
        records = self.history.records
        if len(records) <= window:
            return False
        gain = records[-1]["objective"] - records[-1 - window]["objective"]
        return gain < self.settings.tolerance * window * abs(records[-1]["objective"])
