"""Data whose shared and private factors are known."""

from dataclasses import dataclass

import numpy as np

import pyro_favae as fv

FEATURES = {"left": 30, "right": 20}
USES = {"left": [1, 1, 0], "right": [1, 0, 1]}  # the three true factors: shared, left's own, right's own
MISSING = 60  # rows without the right view


@dataclass(frozen=True)
class Simulation:
    """Rows of two real views, and the parts they are made of."""

    data: dict[str, np.ndarray]  # (n, D) by view
    parts: dict[str, np.ndarray]  # (3, n, D) by view: what each true factor adds


def simulate(n: int = 700, noise: float = 0.5, seed: int = 0) -> Simulation:
    """Draw rows; the last ones lack the right view."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 3))
    data, parts = {}, {}
    for name, features in FEATURES.items():
        weights = rng.normal(size=(features, 3)) * USES[name]
        parts[name] = np.einsum("nk,dk->knd", factors, weights)
        data[name] = parts[name].sum(0) + 3 + noise * rng.normal(size=(n, features))
    data["right"][-MISSING:] = np.nan
    return Simulation(data, parts)


def fit(data: dict[str, np.ndarray], n_factors: int = 6) -> fv.Fit:
    """A fit of real views in their own units."""
    views = {name: fv.views.Real(values.shape[1], standardise="none") for name, values in data.items()}
    return fv.fit(fv.FAVAE(views, n_factors), data, epochs=60, seed=0, progress=False)
