"""Two domains of images, labelled alike: held-out rows split off, the rest paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyro_favae.errors import DataError
from pyro_favae.experiments.conditioning.cells import cells_of, held_out_rows

HELD_OUT = 0.3  # share of each combination's images


@dataclass(frozen=True, eq=False)
class Domain:
    """Images (n, C, H, W) in [0, 1] and what each shows.

    labels: (n, kinds + 1) of 0 and 1. One column a kind, of which an image has one or none, and last the mark, which
    it has or lacks: hair colours and glasses.
    """

    images: np.ndarray
    labels: pd.DataFrame

    @property
    def kinds(self) -> np.ndarray:
        """Position of each image's kind, (n,); meaningless where it has none."""
        return self.labels.iloc[:, :-1].to_numpy().argmax(1)

    @property
    def marks(self) -> np.ndarray:
        """Whether each image has the mark, (n,) of 0 and 1."""
        return self.labels.iloc[:, -1].to_numpy()

    @property
    def cells(self) -> np.ndarray:
        """Combination of kind and mark, (n,) integers that mean the same in every domain."""
        return cells_of(self.labels)

    @property
    def known(self) -> np.ndarray:
        """Whether an image has one kind, (n,) booleans: those without are in no pair."""
        return self.labels.iloc[:, :-1].sum(axis=1).to_numpy() == 1

    def __getitem__(self, rows: np.ndarray) -> "Domain":
        return Domain(self.images[rows], self.labels.iloc[rows])


@dataclass(frozen=True, eq=False)
class Pairs:
    """What is learnt from, and what is held out of each domain.

    learn: by domain, the images that are not held out. rows: by domain, which of them make the pairs, (n,) positions
    with repetitions: those at one place are of the same kind and have the mark alike. test: by domain, held-out
    images, each of a kind.
    """

    learn: Mapping[str, Domain]
    rows: Mapping[str, np.ndarray]
    test: Mapping[str, Domain]

    @classmethod
    def of(cls, domains: Mapping[str, Domain], per_cell: int, seed: int) -> "Pairs":
        """Hold out a share of each combination, then pair the rest: ``per_cell`` rows of every combination.

        Half of the pairs of each kind thus have the mark. Where a domain has fewer images of a combination they are
        repeated, and each time meet other partners. Raises :class:`DataError` where one has none.
        """
        learn, rows, test = {}, {}, {}
        for stream, (name, domain) in enumerate(domains.items()):
            held_out = held_out_rows(domain.labels, HELD_OUT, seed)
            learn[name] = domain[np.flatnonzero(~held_out)]
            test[name] = domain[np.flatnonzero(held_out & domain.known)]
            rng = np.random.default_rng([seed, stream])
            rows[name] = _rows_by_cell(learn[name], per_cell, name, rng)
        return cls(learn, rows, test)

    @property
    def names(self) -> list[str]:
        """The two domains."""
        return list(self.rows)

    @property
    def label_names(self) -> list[str]:
        """What the kinds are called, and last the mark."""
        return list(self.learn[self.names[0]].labels)

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.rows[self.names[0]])

    def paired(self, name: str) -> Domain:
        """One side of the pairs."""
        return self.learn[name][self.rows[name]]

    def distinct(self, name: str) -> Domain:
        """The images that occur on one side of the pairs, each once."""
        return self.learn[name][np.unique(self.rows[name])]

    def other(self, name: str) -> str:
        """The domain that is not this one."""
        first, second = self.names
        return second if name == first else first


def _rows_by_cell(domain: Domain, per_cell: int, name: str, rng: np.random.Generator) -> np.ndarray:
    drawn = []
    for cell in combinations(domain.labels.columns):
        members = np.flatnonzero(domain.known & (domain.cells == cell))
        if not len(members):
            raise DataError(f"{name}: no image of combination {cell} of {list(domain.labels)}, expected some")
        passes = [rng.permutation(members) for _ in range(-(-per_cell // len(members)))]
        drawn.append(np.concatenate(passes)[:per_cell])
    return np.concatenate(drawn)


def combinations(columns: Sequence[str]) -> np.ndarray:
    """The cells of one kind, without and with the mark."""
    kinds = len(columns) - 1
    labels = [[*np.eye(kinds, dtype=int)[kind], mark] for kind in range(kinds) for mark in (0, 1)]
    return cells_of(np.array(labels))
