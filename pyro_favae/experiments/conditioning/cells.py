"""Combinations of binary attributes: rows split, evened out and measured by them."""

import numpy as np
import pandas as pd

FEW = 100  # held-out rows below which nothing is said of a combination


def cells_of(attributes: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Return which combination each row has, (n,) integers: the attributes read as binary digits, first one highest.

    attributes: (n, A) of 0 and 1.
    """
    values = np.asarray(attributes).astype(int)
    return values @ (2 ** np.arange(values.shape[1])[::-1])


def labels_of(attributes: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Return the same as text, (n,): the attributes as digits, "101"."""
    return np.array(["".join(map(str, row)) for row in np.asarray(attributes).astype(int)])


def held_out_rows(attributes: pd.DataFrame | np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """Return (n,) booleans: the same share of each combination's rows, drawn at random."""
    cells, rng = cells_of(attributes), np.random.default_rng(seed)
    held_out = np.zeros(len(cells), bool)
    for cell in np.unique(cells):
        members = rng.permutation(np.flatnonzero(cells == cell))
        held_out[members[: round(share * len(members))]] = True
    return held_out


def evened_out(attributes: pd.DataFrame | np.ndarray, fewest: int, seed: int = 0) -> np.ndarray:
    """Return rows in which every combination of ``fewest`` rows or more occurs equally often, as positions (n,).

    As many in all as such combinations have rows now: of large ones a random part, of small ones every row, some
    repeated. Rarer combinations are left out.
    """
    cells, rng = cells_of(attributes), np.random.default_rng(seed)
    kept, counts = np.unique(cells, return_counts=True)
    kept, total = kept[counts >= fewest], counts[counts >= fewest].sum()
    size = total // max(1, len(kept))
    drawn = []
    for cell in kept:
        members = rng.permutation(np.flatnonzero(cells == cell))
        drawn.append(np.resize(members, size))
    return np.concatenate(drawn) if drawn else np.empty(0, int)


def frequent(attributes: pd.DataFrame | np.ndarray, fewest: int = FEW) -> np.ndarray:
    """Return the combinations that ``fewest`` rows or more have, as :func:`cells_of` numbers them."""
    kept, counts = np.unique(cells_of(attributes), return_counts=True)
    return kept[counts >= fewest]
