"""Secant steps for the noise of logits, the one direction in which logistic views creep.

An update of τ given q(z) moves log τ by about λ / τ where the data want no noise at all: the larger τ, the slower.
Seen as a fixed-point iteration in log τ, two of its steps show where it is heading.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.statistics import Statistics

LARGEST_STEP = 2.0  # of log τ


class NoiseExtrapolation:
    """Watches the updates of some views' noise over sweeps, where it is learnt, and moves it on along their secant.

    A step may lower the bound: keep the posterior from before it, and go back to that where it did.
    """

    def __init__(self, posterior: Posterior, names: Sequence[str]) -> None:
        views = [posterior.view(name) for name in names]
        self.views = [view for view in views if view.noise.learnt]
        self._sweeps: list[tuple[list[Tensor], list[Tensor]]] = []  # log τ before and after each

    def watch(self, sweep: Callable[[], Statistics]) -> Statistics:
        """Run a sweep, noting what it does to the noise."""
        before = self._log_precisions()
        statistics = sweep()
        self._sweeps = [*self._sweeps[-1:], (before, self._log_precisions())]
        return statistics

    @torch.no_grad()
    def extrapolate(self) -> bool:
        """Move on to where the last two sweeps' steps meet zero; returns whether there were two to go by."""
        if len(self._sweeps) < 2 or not self.views:
            return False
        for view, *logs in zip(self.views, *self._sweeps[0], *self._sweeps[1], strict=True):
            view.noise.scale(_secant(*logs).exp())
        return True

    def state_dict(self) -> dict:
        """What the sweeps watched so far did."""
        return {"sweeps": self._sweeps}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        self._sweeps = [
            (self._on_device(before), self._on_device(after)) for before, after in state["sweeps"]
        ]

    def _on_device(self, logs: Sequence[Tensor]) -> list[Tensor]:
        return [log.to(view.noise.mean) for view, log in zip(self.views, logs, strict=True)]

    def _log_precisions(self) -> list[Tensor]:
        return [view.noise.mean.log() for view in self.views]


def _secant(earlier: Tensor, earlier_end: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """How far beyond ``end`` a secant of the steps end − start goes, never back and at most a largest step."""
    step = end - start
    slope = (step - (earlier_end - earlier)) / (start - earlier)
    target = torch.where(slope < 0, -step / slope, step)
    ahead = torch.where((target - step) * step > 0, target - step, 0.0)
    return ahead.nan_to_num(0.0).clamp(-LARGEST_STEP, LARGEST_STEP)
