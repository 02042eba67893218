"""The one loop: rows → closed-form q(g) → networks' step → additive statistics → global updates."""

import math
from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch

from pyro_favae.data.dataset import Dataset
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.extrapolation import NoiseExtrapolation
from pyro_favae.inference.guide import LEARNING_STEPS, FAVAEGuide
from pyro_favae.inference.history import History
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.order import sort_factors
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.principal import start_from_components
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.inference.sparse_start import lead_to_sparse_axes
from pyro_favae.inference.start import (
    calibrate,
    place_components,
    randomise_weights,
    set_start_noise,
    silence,
)
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.step import NetworkStep, prior_from_other_views, trainable_parameters

WARM_UP = 0.2  # of the passes, in which new networks are trained before factors are sought in their latents
START_SWEEPS = 3  # closed-form sweeps before networks are trained or components placed
SETTLING_SWEEPS = 3  # closed-form sweeps after the networks have stopped
UPDATES_A_PASS = 4  # global updates in a pass that also trains networks
STOCHASTIC_FORGETTING = 0.7  # the t-th minibatch weighs t^-0.7, and at least its share of the rows
ROTATION_STEPS = 10  # minibatches between rotations where no network is trained
PATIENCE = 10  # passes over which a stochastic bound's gain is judged


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
        self.passes = Passes(guide, dataset, settings.batch_size)
        self.generator = torch.Generator().manual_seed(settings.seed)
        encoded = [name for name in guide.names if guide.inference(name).trained_by_gradient]
        trained = [] if settings.schedule == "closed-form" else _ordered(guide, scope.trained)
        self.trained = [name for name in trained if trainable_parameters(guide, [name])]
        self.untrained = [name for name in encoded if name not in self.trained]
        self.learnt = None if scope.learnt >= set(guide.names) else scope.learnt
        betas = {name: guide.declaration.views[name].beta for name in encoded}
        total = settings.epochs + self._settling_sweeps
        self.history = History(self.posterior, betas, settings.callbacks, settings.progress, total)

    def __call__(self) -> Outcome:
        """Learn; Ctrl-C ends the run early and keeps what was learnt."""
        try:
            with self.passes.interrupt:
                ended_by = self._learn()
        except KeyboardInterrupt:
            ended_by = "interrupted"
        finally:
            self.guide.eval()
            self.history.close()
            if self.learnt is None:
                sort_factors(self.posterior)
        if not self.history.records:
            self.passes.interrupt = DeferredInterrupt()
            self._sweep("interrupted")
        return Outcome(self.history.frame(), ended_by)

    def _learn(self) -> str:
        step = self._network_step()
        if self._start(step):
            return "callback"
        if not self._settling_sweeps:
            return self._sweep_to_tolerance(self.settings.epochs)
        ended_by = self._train(step)
        self.passes.encode(self.trained)
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
        return self._updated(self.passes.statistics())

    def _updated(self, statistics: Statistics) -> Statistics:
        """Update the global posterior; returns the statistics in what are now the factors' coordinates."""
        self.posterior.update(statistics, self.learnt)
        return statistics if self.learnt else rotate(self.posterior, statistics).statistics

    def _swept_bound(self) -> float:
        """An exact pass before the first that is recorded; returns the bound, nats."""
        return sum(elbo_terms(self.posterior, self._swept()).values())

    # start

    def _start(self, step: NetworkStep | None = None) -> bool:
        """Units, networks, posteriors of what nothing is known of; returns whether a callback asked to stop."""
        calibrate(self.guide, self.dataset, self.scope.fresh, self.passes.chunk)
        self.passes.encode(self.untrained)
        if self._warm_up(step):
            return True
        self._start_posteriors()
        return False

    def _start_posteriors(self) -> None:
        """From principal components, or from what is known of other views."""
        fresh = _ordered(self.guide, self.scope.fresh)
        if not fresh:
            return
        self.passes.encode(self.trained)
        if len(fresh) < len(self.guide.names):
            silence(self.guide, fresh)
            set_start_noise(self.guide, fresh)
            self._start_sweeps(fresh)
        else:
            self._start_afresh()
        self.passes.read_again(self.trained)

    def _start_afresh(self) -> None:
        randomise_weights(self.guide, self.generator)
        if self.settings.start == "pca":
            start_from_components(
                self.posterior.views, self.passes.stand_ins, len(self.dataset), self.generator
            )
        set_start_noise(self.guide, self.guide.names)
        if self.trained or self.guide.declaration.factors.n_components > 1:
            self._start_sweeps(self.guide.names)
            place_components(self.guide, self.dataset, self.guide.names, self.generator)
        if self.settings.schedule != "stochastic":
            lead_to_sparse_axes(self.posterior.views, self._swept_bound)

    def _start_sweeps(self, names: Sequence[str]) -> None:
        """Sweeps of the named views alone, with stand-ins where inference is slow."""
        everything = len(names) == len(self.guide.names)
        for _ in range(START_SWEEPS):
            statistics = self.passes.statistics(start=True)
            self.posterior.update(statistics, None if everything else names)

    # minibatches: networks and closed forms together, or closed forms alone

    def _network_step(self) -> NetworkStep | None:
        if not self.trained:
            return None
        steps = self._batches * self.settings.epochs
        return NetworkStep(self.guide, self.trained, self.settings.learning_rate, steps)

    @property
    def _batches(self) -> int:
        """Minibatches a pass."""
        return -(-len(self.dataset) // self.settings.batch_size)

    @property
    def _warm_up_passes(self) -> int:
        return math.ceil(WARM_UP * self.settings.epochs) if self.scope.unknown & set(self.trained) else 0

    def _warm_up(self, step: NetworkStep | None) -> bool:
        """Train networks that mean nothing yet as plain VAEs; returns whether a callback asked to stop.

        Without weights that is what the model is. Relevances would switch off the factors of latents that do not yet
        follow the data, for good.
        """
        if not self._warm_up_passes:
            return False
        silence(self.guide, self.scope.fresh)
        for _ in range(self._warm_up_passes):
            statistics = self._train_pass(step, None, 0, learn=False)
            if self.history.add(statistics, "warm-up"):
                return True
        return False

    def _train(self, step: NetworkStep | None) -> str:
        running: Statistics | None = None
        for epoch in range(self.settings.epochs - self._warm_up_passes):
            running = self._updated(self._train_pass(step, running, epoch * self._batches))
            if self.history.add(running, "train"):
                return "callback"
            if self._converged(PATIENCE):
                return "tolerance"
        return "epochs"

    def _train_pass(
        self, step: NetworkStep | None, running: Statistics | None, done: int, learn: bool = True
    ) -> Statistics:
        """Every row once in random order; statistics are decayed sums of minibatches', for N rows.

        A global update from them is a natural-gradient step (Hoffman et al. 2013) in the space of statistics; with
        ``learn`` false there is none. done: minibatches in earlier passes.
        """
        total = len(self.dataset)
        every = 1 if step is None else max(1, self._batches // UPDATES_A_PASS)
        forgetting = STOCHASTIC_FORGETTING if step is None else 1.0
        snapshot = self.guide.train().snapshot()
        for i, batch in enumerate(self.passes.shuffled(self.generator), start=1):
            views = self.passes.view_rows(batch, snapshot)
            rows = self.guide.infer(
                views, batch.n, snapshot=snapshot, iterations=LEARNING_STEPS, groups=batch.groups
            )
            if step is not None:
                step(batch.data, views, partial(prior_from_other_views, snapshot, rows))
            part = rows.statistics().scaled(total / batch.n)
            share = max(batch.n / total, (done + i) ** -forgetting)
            running = part if running is None else running.scaled(1 - share) + part.scaled(share)
            if learn and i % every == 0:
                if step is None and i % ROTATION_STEPS == 0:
                    running = self._updated(running)
                else:
                    self.posterior.update(running, self.learnt)
                snapshot = self.guide.snapshot()
        return running

    def _converged(self, window: int) -> bool:
        """Whether the objective rose by less than the tolerance of its size for each pass, from window to window.

        The objective is the bound, unless a view's likelihood is tempered; that of several passes is their mean.
        """
        values = [record["objective"] for record in self.history.records if record["stage"] != "warm-up"]
        if len(values) < 2 * window:
            return False
        now, before = (sum(part) / window for part in (values[-window:], values[-2 * window : -window]))
        return now - before < self.settings.tolerance * window * abs(now)


def _ordered(guide: FAVAEGuide, names: Collection[str]) -> list[str]:
    """Names of views in the order of the model's."""
    return [name for name in guide.names if name in names]
