"""The one loop: rows → closed-form q(g) → networks' step → additive statistics → global updates."""

from collections.abc import Collection, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.errors import SpecError
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.encodings import Encodings
from pyro_favae.inference.extrapolation import NoiseExtrapolation
from pyro_favae.inference.guide import LEARNING_STEPS, LEARNING_TOLERANCE, FAVAEGuide
from pyro_favae.inference.history import Callback, History
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.order import sort_factors
from pyro_favae.inference.principal import start_from_components
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.rows import ViewRows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.start import (
    calibrate,
    place_components,
    randomise_weights,
    set_start_noise,
    silence,
)
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.step import NetworkStep, prior_from_other_views
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.declaration import require_count, require_positive

SCHEDULES = ("joint", "closed-form", "stochastic")
STARTS = ("pca", "random")
START_SWEEPS = 3  # closed-form sweeps before networks are trained or components placed
SETTLING_SWEEPS = 3  # closed-form sweeps after the networks have stopped
UPDATES_A_PASS = 4  # global updates in a pass that also trains networks
CHUNK_BYTES = 2**23  # of closed-form views: what a processor's cache holds between two products
STOCHASTIC_FORGETTING = 0.7  # the t-th minibatch weighs t^-0.7, and at least its share of the rows
ROTATION_STEPS = 10  # minibatches between rotations where no network is trained
PATIENCE = 10  # passes over which a stochastic bound's gain is judged


@dataclass(frozen=True)
class Settings:
    """How to learn; see :func:`pyro_favae.fit`. Raises :class:`SpecError` for what cannot be meant."""

    epochs: int = 200
    tolerance: float = 1e-5
    batch_size: int = 256
    learning_rate: float = 1e-3
    schedule: str = "joint"
    seed: int = 0
    start: str = "pca"
    progress: bool = True
    callbacks: tuple[Callback, ...] = ()

    def __post_init__(self) -> None:
        require_count("fit", epochs=self.epochs, batch_size=self.batch_size)
        require_positive("fit", learning_rate=self.learning_rate, tolerance=self.tolerance)
        for name, choices in (("schedule", SCHEDULES), ("start", STARTS)):
            if getattr(self, name) not in choices:
                expected = ", ".join(map(repr, choices))
                raise SpecError(f"fit: {name} is {getattr(self, name)!r}, expected one of {expected}")


@dataclass(frozen=True)
class Scope:
    """Where a run starts from and what it may change: names of views.

    With some posteriors left as they are, so are the factors' prior and their coordinates.
    """

    trained: frozenset[str]  # networks that take gradient steps
    unknown: frozenset[str]  # networks that mean nothing yet
    learnt: frozenset[str]  # posteriors that are updated
    fresh: frozenset[str]  # posteriors that nothing is known of yet


@dataclass(frozen=True)
class Outcome:
    """The history of a run and why it ended: ``"tolerance"``, ``"epochs"``, ``"callback"`` or ``"interrupted"``."""

    history: pd.DataFrame
    ended_by: str


class Run:
    """A run of the loop on one guide, which it changes in place."""

    def __init__(self, guide: FAVAEGuide, dataset: Dataset, settings: Settings, scope: Scope) -> None:
        self.guide, self.dataset, self.settings, self.scope = guide, dataset, settings, scope
        self.posterior = guide.posterior
        self.device = guide.posterior.factors.component_means.device
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.encoded = [name for name in guide.names if guide.inference(name).trained_by_gradient]
        self.trained = [] if settings.schedule == "closed-form" else _ordered(guide, scope.trained)
        self.encodings: dict[str, Encodings] = {}
        self.learnt = None if scope.learnt >= set(guide.names) else scope.learnt
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
            if self.learnt is None:
                sort_factors(self.posterior)
        if not self.history.records:
            self.interrupt = DeferredInterrupt()
            self._sweep("interrupted")
        return Outcome(self.history.frame(), ended_by)

    def _learn(self) -> str:
        self._start()
        if not self._settling_sweeps:
            return self._sweep_to_tolerance(self.settings.epochs)
        ended_by = self._train()
        self._encode(self.trained)
        for _ in range(self._settling_sweeps):
            self._sweep("settle")
        return ended_by

    @property
    def _settling_sweeps(self) -> int:
        """Exact sweeps after minibatches; none where every pass is one."""
        if self.trained:
            return SETTLING_SWEEPS
        return 1 if self.settings.schedule == "stochastic" else 0

    # closed forms alone

    def _sweep(self, stage: str) -> bool:
        """One exact pass: every row's q, then the global updates. The bound never falls."""
        return self.history.add(self._swept(), stage)

    def _sweep_to_tolerance(self, sweeps: int) -> str:
        creeping = [name for name in self.guide.names if self.guide.inference(name).creeping_noise]
        learnt = creeping if self.learnt is None else [name for name in creeping if name in self.learnt]
        extrapolation = NoiseExtrapolation(self.posterior, learnt)
        for _ in range(sweeps):
            if self.history.add(self._extrapolated_sweep(extrapolation), "sweep"):
                return "callback"
            if self._converged(1):
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
        return self._updated(self._statistics(self.guide.names))

    def _updated(self, statistics: Statistics) -> Statistics:
        """Update the global posterior; returns the statistics in what are now the factors' coordinates."""
        self.posterior.update(statistics, self.learnt)
        return statistics if self.learnt else rotate(self.posterior, statistics).statistics

    def _statistics(self, names: Sequence[str], start: bool = False) -> Statistics:
        total, snapshot = None, self.guide.snapshot()
        with torch.no_grad():
            for batch in self.dataset.in_order(self._chunk(), self.device, self._read(names)):
                self.interrupt.check()
                part = self._batch_statistics(batch, snapshot, names, start)
                total = part if total is None else total + part
        return total

    def _batch_statistics(
        self, batch: Batch, snapshot: Snapshot, names: Sequence[str], start: bool
    ) -> Statistics:
        views = self._view_rows(batch, snapshot, names, start)
        for name in batch.data:
            inference, emission = self.guide.inference(name), self.guide.model.emission(name)
            inference.evaluate(views[name], batch.data[name], emission)
        rows = self.guide.infer(views, batch.n, snapshot=snapshot, tolerance=LEARNING_TOLERANCE)
        return rows.statistics()

    def _view_rows(
        self, batch: Batch, snapshot: Snapshot, names: Sequence[str], start: bool = False
    ) -> dict[str, ViewRows]:
        """What the named views say about a batch, in order; those encoded before are not read again."""
        read = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot, start=start)
        return {
            name: read[name] if name in read else self.encodings[name].rows(batch.rows, snapshot.views[name])
            for name in names
        }

    def _read(self, names: Sequence[str]) -> list[str]:
        """Those views whose data a pass needs."""
        return [name for name in names if name not in self.encodings]

    def _encode(self, names: Sequence[str]) -> None:
        """Encode every row of views whose networks are left as they are from here on."""
        snapshot = self.guide.snapshot()
        for name in names:
            self.encodings[name] = Encodings(self.guide, snapshot, self.dataset, name, self._chunk())

    def _chunk(self) -> int:
        """Rows at a time where nothing but speed and memory depends on it."""
        if self.encoded:
            return max(self.settings.batch_size, 2048)
        width = sum(view.latent_dim for view in self.guide.declaration.views.values())
        return min(4096, max(256, CHUNK_BYTES // (8 * width)))

    # start

    def _start(self) -> None:
        calibrate(self.guide, self.dataset, self.scope.fresh, self._chunk(), self.device)
        self._encode([name for name in self.encoded if name not in self.trained])
        fresh, known = _ordered(self.guide, self.scope.fresh), len(self.scope.fresh) < len(self.guide.names)
        informed = [name for name in self.guide.names if name not in self.scope.unknown]
        starting = [name for name in informed if name in fresh]
        if known:
            silence(self.guide, starting)
        else:
            randomise_weights(self.guide, self.generator)
        if not starting:
            return
        if self.settings.start == "pca" and not known:
            views = [self.posterior.view(name) for name in informed]
            stand_ins = partial(self._stand_ins, informed)
            start_from_components(views, stand_ins, len(self.dataset), self.generator)
        set_start_noise(self.guide, starting)
        if known or self.trained or self.guide.declaration.factors.n_components > 1:
            for _ in range(START_SWEEPS):
                self._start_sweep(informed, starting)
        if not known:
            place_components(self.guide, self.dataset, informed, self.generator)

    def _stand_ins(self, names: Sequence[str]) -> Iterator[list[GaussianRows]]:
        """The named views' rows as Gaussians, a batch at a time."""
        snapshot = self.guide.snapshot()
        for batch in self.dataset.in_order(self._chunk(), self.device, self._read(names)):
            self.interrupt.check()
            yield list(self._view_rows(batch, snapshot, names, start=True).values())

    def _start_sweep(self, informed: Sequence[str], starting: Sequence[str]) -> None:
        """The views whose rows mean something, before networks do."""
        self.guide.eval()
        statistics = self._statistics(informed, start=True)
        for name, sums in zip(informed, statistics.views, strict=True):
            if name in starting:
                self.posterior.view(name).update(sums)
        if len(starting) == len(informed):
            self.posterior.factors.update(statistics.factors)

    # minibatches: networks and closed forms together, or closed forms alone

    def _train(self) -> str:
        batches = -(-len(self.dataset) // self.settings.batch_size)
        step = None
        if self.trained:
            total = batches * self.settings.epochs
            step = NetworkStep(self.guide, self.trained, self.settings.learning_rate, total)
        running: Statistics | None = None
        for epoch in range(self.settings.epochs):
            running, stop = self._train_pass(step, running, epoch * batches, batches)
            if epoch == 0 and self.scope.unknown >= set(self.guide.names):
                place_components(self.guide, self.dataset, self.guide.names, self.generator)
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
        shuffled = self.dataset.shuffled(size, self.device, self.generator, self._read(self.guide.names))
        for i, batch in enumerate(shuffled, start=1):
            self.interrupt.check()
            views = self._view_rows(batch, snapshot, self.guide.names)
            rows = self.guide.infer(views, batch.n, snapshot=snapshot, iterations=LEARNING_STEPS)
            if step is not None:
                step(batch.data, views, partial(prior_from_other_views, snapshot, rows))
            part = rows.statistics().scaled(total / batch.n)
            share = max(batch.n / total, (done + i) ** -forgetting)
            running = part if running is None else running.scaled(1 - share) + part.scaled(share)
            if i % every == 0:
                if step is None and i % ROTATION_STEPS == 0:
                    running = self._updated(running)
                else:
                    self.posterior.update(running, self.learnt)
                snapshot = self.guide.snapshot()
        running = self._updated(running)
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


def _ordered(guide: FAVAEGuide, names: Collection[str]) -> list[str]:
    """Names of views in the order of the model's."""
    return [name for name in guide.names if name in names]
