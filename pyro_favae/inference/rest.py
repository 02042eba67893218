"""Moments at which a run may be left and continued later: between minibatches and between passes."""

from collections.abc import Callable
from typing import Any, Protocol

from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.processes import ALONE, Processes

State = dict[str, Any]  # nested dictionaries and lists of tensors, numbers, strings and None


class Keep(Protocol):
    """Where a run's state is stored."""

    def due(self, passes: int) -> bool:
        """Whether it is time to, with so many passes done."""

    def __call__(self, state: State, passes: int) -> None:
        """Store the state."""


class RestPoints:
    """Keeps a run's state and lets Ctrl-C through, where the state is one to go on from.

    Several processes rest together; the first of them stores the state.
    """

    def __init__(
        self, state: Callable[[], State], keep: Keep | None = None, processes: Processes = ALONE
    ) -> None:
        self.state, self.keep, self.processes = state, keep, processes
        self.interrupt = DeferredInterrupt()

    def __call__(self, passes: int, now: bool = False) -> None:
        """Here is such a moment; raises KeyboardInterrupt, with the state kept, if Ctrl-C was pressed.

        now: keep the state whether it is time to or not.
        """
        due = self.keep is not None and (now or self.keep.due(passes))
        interrupted, due = self.processes.any(self.interrupt.requested, due)
        if self.keep is not None and (due or interrupted):
            state = self.state()  # a sum over the processes
            if self.processes.rank == 0:
                self.keep(state, passes)
        if interrupted:
            raise KeyboardInterrupt
