"""Moments at which a run may be left and continued later: between minibatches and between passes."""

from collections.abc import Callable
from typing import Any, Protocol

from pyro_favae.inference.interrupt import DeferredInterrupt

State = dict[str, Any]  # nested dictionaries and lists of tensors, numbers, strings and None


class Keep(Protocol):
    """Stores a run's state if it is time to, or in any case if ``now``; passes: how many are done."""

    def __call__(self, state: Callable[[], State], passes: int, now: bool) -> None: ...


class RestPoints:
    """Keeps a run's state and lets Ctrl-C through, where the state is one to go on from."""

    def __init__(self, state: Callable[[], State], keep: Keep | None = None) -> None:
        self.state, self.keep = state, keep
        self.interrupt = DeferredInterrupt()

    def __call__(self, passes: int, now: bool = False) -> None:
        """Here is such a moment; raises KeyboardInterrupt, with the state kept, if Ctrl-C was pressed."""
        if self.keep is not None:
            self.keep(self.state, passes, now or self.interrupt.requested)
        self.interrupt.check()
