"""The one loop: rows → closed-form q(g) → networks' step → additive statistics → global updates."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch

from pyro_favae.data.dataset import Dataset
from pyro_favae.inference.alternation import sweeps_suffice
from pyro_favae.inference.beginning import Beginning
from pyro_favae.inference.global_updates import GlobalUpdates
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.history import History
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.minibatches import MinibatchPasses
from pyro_favae.inference.order import sort_factors
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.plan import Plan
from pyro_favae.inference.processes import Processes
from pyro_favae.inference.randomness import random_state, set_random_state
from pyro_favae.inference.rest import Keep, RestPoints, State
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.step import NetworkStep, trainable_parameters
from pyro_favae.inference.sweeps import Sweeps
from pyro_favae.models.execution import Execution

PATIENCE = 10  # passes over which a stochastic bound's gain is judged


@dataclass(frozen=True)
class Outcome:
    """The history of a run and why it ended: ``"tolerance"``, ``"epochs"``, ``"callback"`` or ``"interrupted"``."""

    history: pd.DataFrame
    ended_by: str


class Run:
    """A run of the loop on one guide, which it changes in place.

    It goes through phases: units, warm-up and start; then train and settle, or sweep; then end. Where networks and
    closed forms are learnt by turns, training begins each block with sweeps. Its state, taken at any of its
    :class:`RestPoints`, is all that what follows depends on besides the data and the settings.
    """

    def __init__(
        self,
        guide: FAVAEGuide,
        dataset: Dataset,
        settings: Settings,
        scope: Scope,
        keep: Keep | None = None,
    ) -> None:
        """keep: stores the run's state at rest points."""
        self.guide, self.settings, self.posterior = guide, settings, guide.posterior
        self.processes = Processes.present()
        self.rest = RestPoints(self.state_dict, keep, self.processes)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.phase, self.done, self.ended_by = "units", 0, "epochs"  # done: passes of the phase
        encoded = [name for name in guide.names if guide.inference(name).trained_by_gradient]
        learnt = None if scope.learnt >= set(guide.names) else scope.learnt
        creeping = [name for name in guide.names if guide.inference(name).creeping_noise]
        trained = [] if settings.schedule == "closed-form" else encoded
        trained = [name for name in trained if name in scope.trained]
        self.trained = [name for name in trained if trainable_parameters(guide, [name])]
        self.untrained = [name for name in encoded if name not in self.trained]
        unknown = bool(scope.unknown & set(self.trained))
        self.passes = Passes(guide, dataset, settings.batch_size, self.rest.interrupt, self.processes)
        self.plan = Plan.of(settings, self.passes.batches, bool(self.trained), unknown)
        self.updates = GlobalUpdates(self.posterior, learnt)
        execution = Execution(settings.precision, settings.compile, guide.device)
        self.minibatches = MinibatchPasses(
            self.passes, self.plan, self._network_step(), self.updates, execution
        )
        self.sweeps = Sweeps(self.passes, self.updates, [name for name in creeping if name in scope.learnt])
        self.beginning = Beginning(self.passes, self.sweeps, settings, scope, self.generator)
        betas = {name: guide.decoder_view(name).beta for name in encoded}
        progress = settings.progress and self.processes.rank == 0
        self.history = History(self.posterior, betas, settings.callbacks, progress, self.plan.passes)
        self.processes.own_draws()

    def _network_step(self) -> NetworkStep | None:
        if not self.trained:
            return None
        steps = self.plan.batches * self.settings.epochs
        return NetworkStep(self.guide, self.trained, self.settings.learning_rate, steps, self.processes)

    # state

    def state_dict(self) -> State:
        """All that the rest of the run depends on, taken between two minibatches or passes."""
        return {
            "phase": self.phase,
            "done": self.done,
            "ended_by": self.ended_by,
            "model": self.guide.model.state_dict(),
            "guide": self.guide.state_dict(),
            "minibatches": self.minibatches.state_dict(),
            "extrapolation": self.sweeps.extrapolation.state_dict(),
            "encodings": self.passes.state_dict(),
            "low_rank": self.passes.low_rank,
            "history": self.history.state_dict(),
            "generator": self.generator.get_state(),
            "random": random_state(self.guide.device),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from a state; calling the run then gives what it would have given."""
        self.phase, self.done, self.ended_by = state["phase"], state["done"], state["ended_by"]
        self.guide.model.load_state_dict(state["model"])
        self.guide.load_state_dict(state["guide"])
        self.minibatches.load_state_dict(state["minibatches"])
        self.sweeps.extrapolation.load_state_dict(state["extrapolation"])
        self.passes.load_state_dict(state["encodings"])
        self.passes.low_rank = state["low_rank"]
        self.history.load_state_dict(state["history"])
        self.generator.set_state(state["generator"])
        set_random_state(state["random"], self.guide.device)
        self.processes.own_draws()

    # the loop

    def __call__(self) -> Outcome:
        """Learn; Ctrl-C ends the run early and keeps what was learnt."""
        try:
            with self.rest.interrupt:
                ended_by = self._learn()
        except KeyboardInterrupt:
            self.minibatches.watch.ask()
            ended_by = "interrupted"
        finally:
            self.guide.eval()
            self.history.close()
            if self.updates.learnt is None:
                sort_factors(self.posterior)
        if not self.history.records:
            self.passes.interrupt = DeferredInterrupt()
            self.history.add(self.sweeps.plain(), "interrupted")
        return Outcome(self.history.frame(), ended_by)

    def _learn(self) -> str:
        phases = {
            "units": self._units,
            "warm-up": self._warm_up,
            "start": self._start,
            "train": self._train,
            "settle": self._settle,
            "sweep": self._sweep_to_tolerance,
        }
        if self.phase != "end":
            self._rest(now=True)
        while self.phase != "end":
            phases[self.phase]()
        return self.ended_by

    def _enter(self, phase: str) -> None:
        self.phase, self.done = phase, 0
        self._rest(now=True)

    def _end(self, ended_by: str) -> None:
        self.ended_by = ended_by
        self._enter("end")

    def _rest(self, now: bool = False) -> None:
        self.rest(len(self.history.records), now)

    def _record(self, statistics: Statistics, stage: str) -> bool:
        """A pass is over, one of the phase unless of another stage; returns whether a callback asked to stop."""
        self.done += stage == self.phase
        return self.processes.any(self.history.add(statistics, stage))[0]

    # phases

    def _units(self) -> None:
        """Units of the data; encodings of the views whose networks are left as they are."""
        self.beginning.read_units()
        self.passes.encode(self.untrained)
        if self.plan.warm_up:
            self.beginning.warm_up()
        self._enter("warm-up")

    def _warm_up(self) -> None:
        """Train networks that mean nothing yet, with the posterior as it is; with no weights yet, as plain VAEs.

        Relevances would switch off the factors of latents that do not yet follow the data, for good.
        """
        while self.done < self.plan.warm_up:
            if self._record(self._network_pass(self.beginning.teachers), "warm-up"):
                return self._end("callback")
            self._rest()
        self._enter("start")

    def _start(self) -> None:
        """Posteriors of what nothing is known of."""
        self.beginning.place(self.trained)
        self._enter("sweep" if self.plan.sweep else "train")

    def _train(self) -> None:
        """Minibatches, then encodings of the views whose networks have stopped."""
        ended_by = "epochs"
        while self.done < self.plan.train and ended_by == "epochs":
            if self.plan.sweeps_first(self.done) and self._sweep_block():
                ended_by = "callback"
            else:
                statistics = self._network_pass() if self.plan.block else self._learning_pass()
                ended_by = self._judged(statistics, "train", PATIENCE)
        self.ended_by = ended_by
        self.passes.encode(self.trained)
        self._enter("settle")

    def _minibatch_pass(self, learn: bool, teachers: Collection[str] = ()) -> None:
        self.minibatches(self.generator, self.rest, len(self.history.records), learn, teachers)

    def _learning_pass(self) -> Statistics:
        """Minibatches that learn everything."""
        self._minibatch_pass(learn=True)
        return self.minibatches.settle()

    def _network_pass(self, teachers: Collection[str] = ()) -> Statistics:
        """Minibatches that leave the global posterior as it is."""
        self._minibatch_pass(False, teachers)
        statistics = self.minibatches.total()
        self.minibatches.forget()
        return statistics

    def _sweep_block(self) -> bool:
        """Sweeps with the networks as they are, unless done before; returns whether a callback asked to stop."""
        asked, tolerance = False, self.settings.tolerance
        while not asked and not sweeps_suffice(self.history.records, self.trained, tolerance):
            self.passes.encode([name for name in self.trained if name not in self.passes.encodings])
            asked = self._sweep("sweep")
            self._rest()
        self.passes.read_again([name for name in self.trained if name in self.passes.encodings])
        return asked

    def _settle(self) -> None:
        while self.done < self.plan.settle:
            self._sweep("settle")
            self._rest()
        self._end(self.ended_by)

    def _sweep(self, stage: str) -> bool:
        return self._record(self._undisturbed(self.sweeps.plain), stage)

    def _sweep_to_tolerance(self) -> None:
        ended_by = "epochs"
        while self.done < self.plan.sweep and ended_by == "epochs":
            bound = self.history.records[-1]["elbo"] if self.history.records else None
            statistics = self._undisturbed(partial(self.sweeps.extrapolated, bound))
            ended_by = self._judged(statistics, "sweep", 1)
        self._end(ended_by)

    def _undisturbed(self, sweep: Callable[[], Statistics]) -> Statistics:
        """The sweep, or a rest point where Ctrl-C took it back."""
        try:
            return sweep()
        except KeyboardInterrupt:
            self._rest()
            raise

    def _judged(self, statistics: Statistics, stage: str, window: int) -> str:
        """Record a pass; returns what ended learning with it, ``"epochs"`` as long as nothing did."""
        if self._record(statistics, stage):
            return "callback"
        if self.processes.any(self._converged(window))[0]:
            return "tolerance"
        self._rest()
        return "epochs"

    def _converged(self, window: int) -> bool:
        """Whether the objective rose by less than the tolerance of its size for each pass, from window to window.

        The objective is the bound, unless a view's likelihood is tempered; that of several passes is their mean. The
        likelihood of views whose networks are left as they are is a constant, and does not count towards its size.
        """
        records = self.history.records
        values = [record["objective"] for record in records if record["stage"] == records[-1]["stage"]]
        if len(values) < 2 * window:
            return False
        now, before = (sum(part) / window for part in (values[-window:], values[-2 * window : -window]))
        size = abs(now - self.history.likelihood(self.passes.encodings))
        return now - before < self.settings.tolerance * window * size
