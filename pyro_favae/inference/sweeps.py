"""Exact sweeps: every row's q, then the global updates. The bound never falls."""

from collections.abc import Sequence
from copy import deepcopy

from pyro_favae.inference.extrapolation import NoiseExtrapolation
from pyro_favae.inference.global_updates import GlobalUpdates
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.randomness import random_state, set_random_state
from pyro_favae.inference.statistics import Statistics


class Sweeps:
    """Sweeps over a data set; one that Ctrl-C interrupts has not happened."""

    def __init__(self, passes: Passes, updates: GlobalUpdates, creeping: Sequence[str]) -> None:
        """creeping: the views whose noise :meth:`extrapolated` moves on."""
        self.passes, self.updates, self.posterior = passes, updates, updates.posterior
        self.extrapolation = NoiseExtrapolation(self.posterior, creeping)

    def plain(self) -> Statistics:
        """One sweep; returns the statistics in what are now the factors' coordinates."""
        draws = random_state(self.passes.guide.device)
        try:
            statistics = self.passes.statistics()
        except KeyboardInterrupt:
            set_random_state(draws, self.passes.guide.device)
            raise
        return self.updates.update_and_rotate(statistics, "in a sweep")

    def extrapolated(self, bound: float | None) -> Statistics:
        """One from extrapolated noise, or from what the noise was where that would lower the bound reached before."""
        if not self.extrapolation.views:
            return self.plain()
        before = deepcopy(self.posterior.state_dict())
        watched, draws = self.extrapolation.state_dict(), random_state(self.passes.guide.device)
        try:
            moved = self.extrapolation.extrapolate()
            statistics = self.extrapolation.watch(self.plain)
            if moved and bound is not None and self.updates.bound(statistics) < bound:
                self.posterior.load_state_dict(before)
                statistics = self.extrapolation.watch(self.plain)
        except KeyboardInterrupt:
            self.posterior.load_state_dict(before)
            self.extrapolation.load_state_dict(watched)
            set_random_state(draws, self.passes.guide.device)
            raise
        return statistics
