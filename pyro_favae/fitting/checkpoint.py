"""Checkpoints: the state of a run on disk, from which it can be continued to the last bit."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from pyro_favae.errors import DataError, LoadError, SpecError, shown
from pyro_favae.inference.rest import State
from pyro_favae.results import nested
from pyro_favae.results.storage import read_tensors, write_tensors

FORMAT = "pyro_favae.checkpoint"
NEEDED = ("task", "declaration", "settings", "scope", "data")


class Checkpoint:
    """One file, rewritten as a run proceeds; a :class:`pyro_favae.inference.rest.Keep`."""

    def __init__(
        self,
        path: str | os.PathLike,
        every: int | str = "5min",
        resume: bool = False,
    ) -> None:
        """every: passes, or a time such as ``"30s"``. resume: go on with the file, if there is one.

        Raises :class:`SpecError` for a cadence that cannot be meant and for a file that would be overwritten,
        :class:`LoadError` for one that is no checkpoint.
        """
        self.path = Path(path)
        self.passes, self.seconds = _cadence(every)
        self.header: dict[str, Any] = {}  # what the run is known by
        self._stored: tuple[dict[str, str], dict[str, Tensor]] | None = None
        if self.path.exists():
            if not resume:
                raise SpecError(
                    f"there is a checkpoint {str(path)!r} already: go on with it by resume=True, or remove it first"
                )
            self._stored = read_tensors(path, FORMAT)
            self._require_header()
        self._kept_passes, self._kept_at = 0, time.monotonic()

    @classmethod
    def asked_for(
        cls, path: str | os.PathLike | None, every: int | str, resume: bool | str | os.PathLike
    ) -> "Checkpoint | None":
        """The checkpoint that the arguments of :func:`pyro_favae.fit` mean; None for none.

        Raises :class:`LoadError` where ``resume`` names a file that is not there, :class:`SpecError` for what is no
        path.
        """
        for name, value, others in (("checkpoint", path, None), ("resume", resume, bool)):
            if not isinstance(value, str | os.PathLike | others):
                raise SpecError(
                    f"{name} is {shown(value)}, expected a path or {'True or False' if others else None}"
                )
        if not isinstance(resume, bool):
            if not os.path.isfile(resume):
                raise LoadError(f"no checkpoint {os.fspath(resume)!r} to resume from")
            if path is not None and Path(path) != Path(resume):
                raise SpecError(
                    f"resume={os.fspath(resume)!r} goes on in that file, seen checkpoint={os.fspath(path)!r} "
                    "besides; copy the file first to keep it as it is"
                )
            return cls(resume, every, True)
        if path is None:
            if resume:
                raise SpecError("resume=True needs checkpoint=, the file to go on with")
            return None
        return cls(path, every, resume)

    @property
    def seed(self) -> int | None:
        """The seed of the run to be continued, None for a new one."""
        return None if self._stored is None else self._known("settings")["seed"]

    def known_as(self, **header: Any) -> None:
        """Say what the run is known by, JSON values; raises an error if the one to be continued is another.

        :class:`DataError` for other data, else :class:`SpecError`.
        """
        self.header = json.loads(json.dumps(header))
        if self._stored is None:
            return
        for key in NEEDED:
            before, now = self._known(key), self.header[key]
            if before != now:
                error = DataError if key == "data" else SpecError
                raise error(
                    f"the checkpoint {str(self.path)!r} is of another run: {_difference(key, before, now)}; resume "
                    "with what it was begun with, or go on from its fit by fv.refine"
                )

    def restore(self, load: Callable[[State], None]) -> None:
        """Put back the state to go on from, if there is one; raises :class:`LoadError` for one that does not fit."""
        if self._stored is None:
            return
        header, tensors = self._stored
        try:
            load(nested.from_json(header["state"], tensors))
        except (KeyError, ValueError, RuntimeError, TypeError, AttributeError, IndexError) as error:
            raise LoadError(f"{str(self.path)!r} does not hold a consistent state: {error}") from error
        finally:
            self._stored = None

    def __call__(self, state: State, passes: int) -> None:
        """Write the state; raises :class:`SaveError` if that fails, with the old file as it was."""
        text, tensors = nested.to_json(state)
        header = {key: json.dumps(value) for key, value in self.header.items()}
        write_tensors(self.path, FORMAT, tensors, {**header, "state": text})
        self._kept_passes, self._kept_at = passes, time.monotonic()

    def due(self, passes: int) -> bool:
        """Whether it is time to write, with so many passes done."""
        if self.passes is not None:
            return passes - self._kept_passes >= self.passes
        return time.monotonic() - self._kept_at >= self.seconds

    def _known(self, key: str) -> Any:
        header, _ = self._stored or ({}, {})
        return json.loads(header[key])

    def _require_header(self) -> None:
        try:
            _ = [self._known(key) for key in NEEDED], int(self._known("settings")["seed"])
        except (KeyError, ValueError, TypeError) as error:
            raise LoadError(f"{str(self.path)!r} does not say what run it is of: {error}") from error


def _cadence(every: int | str) -> tuple[int | None, float]:
    """Passes, and seconds where it is a time."""
    if isinstance(every, int) and not isinstance(every, bool) and every > 0:
        return every, 0.0
    if isinstance(every, str):
        try:
            seconds = pd.Timedelta(every).total_seconds()
        except ValueError:
            seconds = 0.0
        if seconds > 0:
            return None, seconds
    raise SpecError(f"every is {every!r}, expected a number of passes, or a time such as '30s' or '5min'")


def _difference(key: str, before: Any, now: Any) -> str:
    """The first thing in which two descriptions differ, as words."""
    if isinstance(before, Mapping) and isinstance(now, Mapping) and before.keys() == now.keys():
        name = next(name for name in before if before[name] != now[name])
        return _difference(f"{key}, {name}", before[name], now[name])
    return f"{key}: {before!r} there, {now!r} here"
