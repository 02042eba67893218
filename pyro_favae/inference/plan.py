"""How many passes of each kind a run makes, and how often it updates the global posterior in them."""

import math
from dataclasses import dataclass

from pyro_favae.inference.alternation import MOST_SWEEPS, NETWORK_PASSES
from pyro_favae.inference.settings import Settings

WARM_UP = 0.2  # of the passes, in which new networks are trained before factors are sought in their latents
SETTLING_SWEEPS = 3  # closed-form sweeps after the networks have stopped
UPDATES_A_PASS = 4  # global updates in a pass that also trains networks


@dataclass(frozen=True)
class Plan:
    """Passes at most: ``epochs`` of minibatches or of sweeps, and the sweeps that settle what minibatches learnt."""

    batches: int  # minibatches a pass
    every: int  # minibatches between global updates
    warm_up: int  # passes of minibatches that train new networks as plain VAEs
    train: int  # passes of minibatches that learn everything
    settle: int  # exact sweeps after minibatches
    sweep: int  # exact sweeps to tolerance, where there are no minibatches
    block: int = 0  # passes that train networks between two blocks of sweeps; 0 where they learn everything

    @classmethod
    def of(cls, settings: Settings, batches: int, trained: bool, unknown: bool) -> "Plan":
        """batches: minibatches a pass. trained: whether networks take gradient steps.

        unknown: whether some of those mean nothing yet.
        """
        if not trained and settings.schedule != "stochastic":
            return cls(batches, 1, warm_up=0, train=0, settle=0, sweep=settings.epochs)
        warm_up = math.ceil(WARM_UP * settings.epochs) if unknown else 0
        every = max(1, batches // UPDATES_A_PASS) if trained else 1
        settle = SETTLING_SWEEPS if trained else 1
        block = NETWORK_PASSES if settings.schedule == "alternating" else 0
        return cls(batches, every, warm_up, settings.epochs - warm_up, settle, sweep=0, block=block)

    def sweeps_first(self, trained: int) -> bool:
        """Whether a block of sweeps comes before the next pass, when so many have trained networks."""
        return self.block > 0 and trained % self.block == 0

    @property
    def passes(self) -> int:
        """Passes in all, at most."""
        blocks = math.ceil(self.train / self.block) if self.block else 0
        return self.warm_up + self.train + blocks * MOST_SWEEPS + self.settle + self.sweep
