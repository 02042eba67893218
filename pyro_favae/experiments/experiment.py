"""What an experiment is."""

from pathlib import Path
from typing import Literal, Protocol

Size = Literal["small", "paper"]


class Experiment(Protocol):
    """An experiment: reads data under ``root``, writes ``table.md`` and figures under ``out``, returns the table.

    size: ``"small"`` for two cores and a quarter of an hour, ``"paper"`` for the paper's own on a GPU.
    """

    def __call__(self, root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str: ...
