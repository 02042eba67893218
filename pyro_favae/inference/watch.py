"""Failures that are noted on the device and asked for later.

To ask a GPU whether numbers are good the host has to wait until all that it has been given is done. A step of
learning therefore notes what it sees, and the question is put before the posterior is changed or a state is kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from pyro_favae.errors import NumericalError

Explain = Callable[[Tensor], str]


def asking_waits(values: Tensor) -> bool:
    """Whether the host waits when it asks what a tensor holds, so that a slower way without questions is better."""
    return values.device.type != "cpu"


class Watch:
    """The first failure of each kind, with what tells of it; its size does not grow with the steps."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[Tensor, Tensor, Explain]] = {}

    def note(self, kind: str, failed: Tensor, evidence: Tensor, explain: Explain) -> None:
        """failed: a boolean (). evidence: of one shape for each kind; explain makes a message of it."""
        if kind in self._noted:
            before, first, _ = self._noted[kind]
            evidence, failed = torch.where(before, first, evidence), before | failed
        self._noted[kind] = (failed, evidence, explain)

    def ask(self) -> None:
        """Raise :class:`NumericalError` for the first kind noted that has failed, and begin anew."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        flags = torch.stack([failed for failed, _, _ in noted.values()]).tolist()
        for failed, (_, evidence, explain) in zip(flags, noted.values(), strict=True):
            if failed:
                raise NumericalError(explain(evidence))


_present: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """Within it :func:`require` notes failures instead of raising them."""
    token = _present.set(watch)
    try:
        yield
    finally:
        _present.reset(token)


def require(kind: str, failed: Tensor, evidence: Callable[[], Tensor], explain: Explain) -> None:
    """Raise :class:`NumericalError` where ``failed``, a boolean (), is true; at once unless it is watched."""
    watch = _present.get()
    if watch is not None:
        watch.note(kind, failed, evidence(), explain)
    elif failed:
        raise NumericalError(explain(evidence()))
