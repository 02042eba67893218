"""The one loop: rows → closed-form q(g) → networks' step → additive statistics → global updates."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass

import pandas as pd
import torch

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.extrapolation import NoiseExtrapolation
from pyro_favae.inference.guide import LEARNING_STEPS, LEARNING_TOLERANCE, FAVAEGuide
from pyro_favae.inference.history import Callback, History
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.order import sort_factors
from pyro_favae.inference.principal import start_from_components
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.sparse_start import lead_to_sparse_axes
from pyro_favae.inference.start import calibrate, place_components, randomise_weights, set_start_noise
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.step import NetworkStep
from pyro_favae.inference.views.gaussian import GaussianRows

START_SWEEPS = 3  # closed-form sweeps before networks are trained or components placed
SETTLING_SWEEPS = 3  # closed-form sweeps after the networks have stopped
UPDATES_A_PASS = 4  # global updates in a pass that also trains networks
CHUNK_BYTES = 2**23  # of closed-form views: what a processor's cache holds between two products
STOCHASTIC_FORGETTING = 0.7  # the t-th minibatch weighs t^-0.7, and at least its share of the rows
ROTATION_STEPS = 10  # minibatches between rotations where no network is trained
PATIENCE = 10  # passes over which a stochastic bound's gain is judged


@dataclass(frozen=True)
class Settings:
    """How to learn; see :func:`pyro_favae.fit`."""

    epochs: int
    tolerance: float
    batch_size: int
    learning_rate: float
    schedule: str  # "joint", "closed-form" or "stochastic"
    seed: int
    start: str  # "pca" or "random"
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
        self.trains = bool(self.encoded) and settings.schedule != "closed-form"
        betas = {name: guide.declaration.views[name].beta for name in self.encoded}
        total = settings.epochs + self._settling_sweeps
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
        if not self._settling_sweeps:
            lead_to_sparse_axes(self.posterior.views, self._swept_bound)
            return self._sweep_to_tolerance(self.settings.epochs)
        ended_by = self._train()
        for _ in range(self._settling_sweeps):
            self._sweep("settle")
        return ended_by

    @property
    def _settling_sweeps(self) -> int:
        """Exact sweeps after minibatches; none where every pass is one."""
        if self.trains:
            return SETTLING_SWEEPS
        return 1 if self.settings.schedule == "stochastic" else 0

    # closed forms alone

    def _sweep(self, stage: str) -> bool:
        """One exact pass: every row's q, then the global updates. The bound never falls."""
        return self.history.add(self._swept(), stage)

    def _sweep_to_tolerance(self, sweeps: int) -> str:
        window = PATIENCE if self.encoded else 1  # an encoder view's likelihood is one draw
        creeping = [name for name in self.closed_form if self.guide.inference(name).creeping_noise]
        extrapolation = NoiseExtrapolation(self.posterior, [] if self.encoded else creeping)
        for _ in range(sweeps):
            if self.history.add(self._extrapolated_sweep(extrapolation), "sweep"):
                return "callback"
            if self._converged(window):
                return "tolerance"
        return "epochs"

    def _extrapolated_sweep(self, extrapolation: NoiseExtrapolation) -> Statistics:
        """A sweep from extrapolated noise, or from what the noise was where that would lower the bound."""
        if not extrapolation.views:
            return self._swept()
        before = deepcopy(self.posterior.state_dict())
        moved = extrapolation.extrapolate()
        statistics = extrapolation.watch(self._swept)
        if moved and sum(elbo_terms(self.posterior, statistics).values()) < self.history.records[-1]["elbo"]:
            self.posterior.load_state_dict(before)
            statistics = extrapolation.watch(self._swept)
        return statistics

    def _swept(self) -> Statistics:
        self.guide.eval()
        statistics = self._statistics(self.guide.names)
        self.posterior.update(statistics)
        return rotate(self.posterior, statistics).statistics

    def _swept_bound(self) -> float:
        """An exact pass before the first that is recorded; returns the bound, nats."""
        return sum(elbo_terms(self.posterior, self._swept()).values())

    def _statistics(self, names: Sequence[str], start: bool = False) -> Statistics:
        total, snapshot = None, self.guide.snapshot()
        with torch.no_grad():
            for batch in self.dataset.in_order(self._chunk(), self.device, names):
                self.interrupt.check()
                part = self._batch_statistics(batch, snapshot, start)
                total = part if total is None else total + part
        return total

    def _batch_statistics(self, batch: Batch, snapshot: Snapshot, start: bool) -> Statistics:
        views = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot, start=start)
        for name, rows in views.items():
            self.guide.inference(name).evaluate(rows, batch.data[name], self.guide.model.emission(name))
        rows = self.guide.infer(views, batch.n, snapshot=snapshot, tolerance=LEARNING_TOLERANCE)
        return rows.statistics()

    def _chunk(self) -> int:
        """Rows at a time where nothing but speed and memory depends on it."""
        if self.encoded:
            return max(self.settings.batch_size, 2048)
        width = sum(view.latent_dim for view in self.guide.declaration.views.values())
        return min(4096, max(256, CHUNK_BYTES // (8 * width)))

    # start

    def _start(self) -> None:
        calibrate(self.guide, self.dataset, self._chunk(), self.device)
        randomise_weights(self.guide, self.generator)
        if self.closed_form:
            views = [self.posterior.view(name) for name in self.closed_form]
            if self.settings.start == "pca":
                start_from_components(views, self._stand_ins, len(self.dataset), self.generator)
            set_start_noise(self.guide)
            if self.encoded or self.guide.declaration.factors.n_components > 1:
                for _ in range(START_SWEEPS):
                    self._start_sweep()
                place_components(self.guide, self.dataset, self.closed_form, self.generator)

    def _stand_ins(self) -> Iterator[list[GaussianRows]]:
        """The closed-form views' rows as Gaussians, a batch at a time."""
        snapshot = self.guide.snapshot()
        for batch in self.dataset.in_order(self._chunk(), self.device, self.closed_form):
            self.interrupt.check()
            rows = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot, start=True)
            yield list(rows.values())

    def _start_sweep(self) -> None:
        """Closed-form views alone, before encoders mean anything."""
        self.guide.eval()
        statistics = self._statistics(self.closed_form, start=True)
        for name, sums in zip(self.closed_form, statistics.views, strict=True):
            self.posterior.view(name).update(sums)
        self.posterior.factors.update(statistics.factors)

    # minibatches: networks and closed forms together, or closed forms alone

    def _train(self) -> str:
        batches = -(-len(self.dataset) // self.settings.batch_size)
        step = None
        if self.trains:
            step = NetworkStep(self.guide, self.settings.learning_rate, batches * self.settings.epochs)
        running: Statistics | None = None
        for epoch in range(self.settings.epochs):
            running, stop = self._train_pass(step, running, epoch * batches, batches)
            if epoch == 0 and not self.closed_form:
                place_components(self.guide, self.dataset, self.encoded, self.generator)
            if stop:
                return "callback"
            if self._converged(PATIENCE):
                return "tolerance"
        return "epochs"

    def _train_pass(
        self, step: NetworkStep | None, running: Statistics | None, done: int, batches: int
    ) -> tuple[Statistics, bool]:
        """Every row once in random order; statistics are decayed sums of minibatches', for N rows.

        A global update from them is a natural-gradient step (Hoffman et al. 2013) in the space of statistics.
        """
        self.guide.train()
        size, total = self.settings.batch_size, len(self.dataset)
        every = 1 if step is None else max(1, batches // UPDATES_A_PASS)
        forgetting = STOCHASTIC_FORGETTING if step is None else 1.0
        snapshot = self.guide.snapshot()
        shuffled = self.dataset.shuffled(size, self.device, self.generator)
        for i, batch in enumerate(shuffled, start=1):
            self.interrupt.check()
            views = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot)
            rows = self.guide.infer(views, batch.n, snapshot=snapshot, iterations=LEARNING_STEPS)
            if step is not None:
                step(batch.data, snapshot, rows, views)
            part = rows.statistics().scaled(total / batch.n)
            share = max(batch.n / total, (done + i) ** -forgetting)
            running = part if running is None else running.scaled(1 - share) + part.scaled(share)
            if i % every == 0:
                self.posterior.update(running)
                if step is None and i % ROTATION_STEPS == 0:
                    running = rotate(self.posterior, running).statistics
                snapshot = self.guide.snapshot()
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
