"""The two papers' experiments, by the names that ``pyro-favae reproduce`` takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from pyro_favae.experiments.influence.celeba import influence_celeba
from pyro_favae.experiments.influence.eeg import influence_eeg
from pyro_favae.experiments.influence.mnist import influence_mnist

Size = Literal["small", "paper"]


class Experiment(Protocol):
    """An experiment: reads data under ``root``, writes ``table.md`` and figures under ``out``, returns the table.

    size: ``"small"`` for two cores and a quarter of an hour, ``"paper"`` for the paper's own on a GPU.
    """

    def __call__(self, root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str: ...


EXPERIMENTS: Mapping[str, Experiment] = {
    "influence-celeba": influence_celeba,
    "influence-eeg": influence_eeg,
    "influence-mnist": influence_mnist,
}
