"""Exact sweeps: every row's q, then the global updates. The bound never falls."""

from collections.abc import Sequence
from copy import deepcopy

from pyro_favae.inference.extrapolation import NoiseExtrapolation
from pyro_favae.inference.global_updates import GlobalUpdates
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.randomness import random_state, set_random_state
from pyro_favae.inference.statistics import Statistics

ROUNDING = 1e-11  # of a bound's size


class Sweeps:
    """Sweeps over a data set; one that Ctrl-C interrupts has not happened."""

    def __init__(self, passes: Passes, updates: GlobalUpdates, creeping: Sequence[str]) -> None:
        """creeping: the views, of logits, whose noise :meth:`extrapolated` moves on."""
        self.logits = tuple(creeping)
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
        """One that does not end below the bound reached before, None for the first, whatever was tried to be fast.

        From extrapolated noise, or from what the noise was where that lowered the bound; with low-rank covariances of
        the rows until one falls all the same, and from then on with a matrix for each row.
        """
        if not self.extrapolation.views and not self.logits:
            return self.plain()
        before = deepcopy(self.posterior.state_dict())
        watched, draws = self.extrapolation.state_dict(), random_state(self.passes.guide.device)
        low_rank = self.passes.low_rank
        try:
            moved = self.extrapolation.extrapolate()
            statistics = self.extrapolation.watch(self.plain)
            if moved and bound is not None and self.updates.bound(statistics) < bound:
                statistics = self._again(before)
            if self.passes.low_rank and self._fell(statistics, bound):
                self.passes.low_rank = False
                statistics = self._again(before)
        except KeyboardInterrupt:
            self.posterior.load_state_dict(before)
            self.extrapolation.load_state_dict(watched)
            self.passes.low_rank = low_rank
            set_random_state(draws, self.passes.guide.device)
            raise
        return statistics

    def _again(self, before: dict) -> Statistics:
        """A sweep from an earlier posterior."""
        self.posterior.load_state_dict(before)
        return self.extrapolation.watch(self.plain)

    def _fell(self, statistics: Statistics, bound: float | None) -> bool:
        """Whether the bound is below an earlier one by more than rounding."""
        return bound is not None and self.updates.bound(statistics) < bound - ROUNDING * abs(bound)
