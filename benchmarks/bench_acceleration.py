"""Ways to speed up exact sweeps, side by side: sweeps and seconds to the best bound that any of them reaches.

python benchmarks/bench_acceleration.py [--root DIR] [--problems binary emotions yeast real] [--draws 1]

Every method runs inside the library's own loop, in the place of its extrapolation: it may move the posterior before a
sweep, and the loop goes back to where it was if the bound then fell. A sweep that was taken back counts. Seconds are
processor time of one thread, from the first sweep on. DIR holds emotions.npz and yeast.npz with train_X and train_Y;
left out where absent. Other draws of the simulated problems are other data, of the others other random starts.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
import torch
from bench_posterior import declared, simulated
from torch import Tensor

import pyro_favae as fv
from pyro_favae.inference import global_updates
from pyro_favae.inference import sweeps as loop
from pyro_favae.inference.extrapolation import LARGEST_STEP, NoiseExtrapolation, _secant
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.rotation import Rotation, rotate
from pyro_favae.inference.statistics import Statistics

MEMORY = 5  # pairs of iterates that quasi-Newton methods keep
RIDGE = 1e-10  # of the secants' scatter, relative to its trace
NEAR = (1.0, 0.1)  # nats below the best bound
STANDSTILL, PATIENCE = 1e-4, 20  # nats that as many sweeps must gain

Problem = tuple[fv.FAVAE, dict[str, np.ndarray]]


# problems


def binary(seed: int) -> Problem:
    """1,000 rows of 60 binary columns with four factors."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(1000, 4)) @ (2 * rng.normal(size=(4, 60))) + rng.normal(size=60)
    labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    return fv.FAVAE({"labels": fv.views.Bernoulli(60)}, n_factors=10), {"labels": labels}


def multilabel(path: Path) -> Problem:
    """Features as a real view, labels as a binary one."""
    with np.load(path) as file:
        features, labels = file["train_X"].astype(float), file["train_Y"].astype(float)
    views = {
        "features": fv.views.Real(features.shape[1], standardise="feature"),
        "labels": fv.views.Bernoulli(labels.shape[1]),
    }
    return fv.FAVAE(views, n_factors=10), {"features": features, "labels": labels}


def real(seed: int) -> Problem:
    """500 rows of three real views with six factors, some shared by all, by two, by none."""
    data = simulated(500, 1.0, np.random.default_rng(seed))
    return declared(data, 15), data


def problems(root: Path) -> dict[str, Callable[[int], Problem]]:
    """What there is, by name; of real data the seed is the start's alone."""
    files = {name: root / f"{name}.npz" for name in ("emotions", "yeast")}
    real_data = {
        name: (lambda _, path=path: multilabel(path)) for name, path in files.items() if path.is_file()
    }
    return {"binary": binary, "real": real} | real_data


# what is extrapolated


class Point(NamedTuple):
    """The global posterior by view, but for what an update makes of it."""

    means: list[Tensor]  # (D, L)    W̃
    spreads: list[Tensor]  # (L, L)  Σ_d Cov(w̃_d)
    noise: list[Tensor]  # (1 or D)  log τ

    @classmethod
    def of(cls, posterior: Posterior) -> "Point":
        one = torch.ones(1, dtype=torch.float64)
        return cls(
            [view.weights_mean.clone() for view in posterior.views],
            [view.weights.weighted_covariance(one) for view in posterior.views],
            [view.noise.mean.log() for view in posterior.views],
        )

    def following(self, change: Tensor) -> "Point":
        """The same point after g̃ → change @ g̃."""
        inverse = torch.linalg.inv(change)
        means = [mean @ inverse for mean in self.means]
        return Point(means, [inverse.mT @ spread @ inverse for spread in self.spreads], self.noise)

    def vector(self, posterior: Posterior) -> Tensor:
        """W̃, log τ and the logarithms of the ARD relevances' rates, in one."""
        rates = [
            (view.relevance.prior_rate + 0.5 * (mean.mT @ mean + spread).diagonal()[:-1]).log()
            for view, mean, spread in zip(posterior.views, self.means, self.spreads, strict=True)
        ]
        return torch.cat([part.flatten() for part in [*self.means, *self.noise, *rates]])


def assign(posterior: Posterior, after: Tensor, target: Tensor) -> None:
    """Move the posterior from one vector to another; logarithms by a largest step, as the library's own."""
    means = [view.weights_mean for view in posterior.views]
    logs = sum(mean.numel() for mean in means)
    step = target[logs:] - after[logs:]
    factors = step.nan_to_num(0.0).clamp(-LARGEST_STEP, LARGEST_STEP).exp()
    noise = [view.noise.rate for view in posterior.views]
    rates = [view.relevance.rate for view in posterior.views]
    for mean, part in zip(means, target[:logs].split([mean.numel() for mean in means]), strict=True):
        mean.copy_(part.view_as(mean))
    parts = factors.split([len(part) for part in [*noise, *rates]])
    for rate, factor in zip(noise, parts, strict=False):
        rate.div_(factor)
    for rate, factor in zip(rates, parts[len(noise) :], strict=True):
        rate.mul_(factor)


def noise_of(posterior: Posterior) -> dict[str, slice]:
    """Where each view's log τ stands in the vector."""
    ends = np.cumsum(
        [sum(view.weights_mean.numel() for view in posterior.views)]
        + [len(view.noise.rate) for view in posterior.views]
    )
    return {name: slice(*pair) for name, pair in zip(posterior.names, pairwise(ends), strict=True)}


# methods


class Sweeps:
    """Stands in for the library's ``rotate``, which every sweep ends with: counts them, remembers the last change."""

    def __init__(self, rotates: bool) -> None:
        self.rotates, self.count, self.change = rotates, 0, None
        self.begin: float | None = None

    def __call__(self, posterior: Posterior, statistics: Statistics) -> Rotation:
        self.count += 1
        self.change = torch.eye(len(statistics.factors.g) + 1, dtype=torch.float64)
        if not self.rotates:
            return Rotation(statistics, 0.0)
        with mock.patch.object(posterior.factors, "transform", self._follow):
            return rotate(posterior, statistics)

    def _follow(self, change: Tensor) -> None:
        """In the place of the standard normal factors' own, which has nothing to do."""
        self.change = change @ self.change


class Method:
    """The library's interface of an extrapolation. This one leaves the posterior where the sweep left it."""

    views = True  # any: the loop leaves it alone where it has none

    def __init__(self, posterior: Posterior, sweeps: Sweeps, names: list[str]) -> None:
        self.posterior, self.sweeps, self.names = posterior, sweeps, names
        self.pairs: list[tuple[Point, Point]] = []  # before and after each sweep, in the present coordinates
        self._asked = False

    def extrapolate(self) -> bool:
        """Move on; returns whether it did."""
        self._asked = True
        pairs = [tuple(point.vector(self.posterior) for point in pair) for pair in self.pairs]
        target = self.target(pairs) if pairs else None
        if target is None or not torch.isfinite(target).all():
            return False
        assign(self.posterior, pairs[-1][1], target)
        return True

    def watch(self, sweep: Callable[[], Statistics]) -> Statistics:
        """Run a sweep, noting what it does. One that was not asked about follows one that was taken back."""
        if not self._asked:
            self.taken_back()
        self._asked = False
        before = Point.of(self.posterior)
        statistics = sweep()
        change = self.sweeps.change
        seen = [tuple(point.following(change) for point in pair) for pair in self.pairs[-MEMORY:]]
        self.pairs = [*seen, (before.following(change), Point.of(self.posterior))]
        return statistics

    def taken_back(self) -> None:
        """Start again from here."""
        self.pairs = []

    def state_dict(self) -> dict:
        """Nothing: these runs are not continued."""
        return {}

    def target(self, pairs: list[tuple[Tensor, Tensor]]) -> Tensor | None:
        """Where to go, from vectors before and after the last sweeps."""
        return None


class Overrelaxation(Method):
    """Updates are natural-gradient steps of length 1; these are longer, by a fixed factor."""

    factor = 1.5

    def target(self, pairs):
        before, after = pairs[-1]
        return after + (self.factor - 1) * (after - before)


class NoiseOverrelaxation(Overrelaxation):
    """The same of log τ alone."""

    def target(self, pairs):
        before, after = pairs[-1]
        target = after.clone()
        for noise in noise_of(self.posterior).values():
            target[noise] += (self.factor - 1) * (after - before)[noise]
        return target


def by(factor: float, method: type[Overrelaxation]) -> type[Overrelaxation]:
    """The method with another factor."""
    return type(method.__name__, (method,), {"factor": factor})


class Squarem(Method):
    """Varadhan and Roland (2008), scheme S3, after every second sweep; its longest step grows while it is taken."""

    longest = 1.0

    def target(self, pairs):
        if len(pairs) < 2:
            return None
        (start, _), (middle, end) = pairs[-2:]
        step = middle - start
        bend = end - middle - step
        length = min(max(1.0, float(step.norm() / bend.norm())), self.longest)
        if length == self.longest:
            self.longest *= 4
        self.pairs = []
        return start + 2 * length * step + length**2 * bend

    def taken_back(self):
        super().taken_back()
        self.longest = max(1.0, self.longest / 16)


def secants(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Differences of successive x, of F(x), (size, memory) each, and the last x and F(x)."""
    x, image = (torch.stack(column, 1) for column in zip(*pairs, strict=True))
    return x.diff(dim=1), image.diff(dim=1), x[:, -1], image[:, -1]


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    """A small system, of secants that may be nearly dependent."""
    ridge = RIDGE * matrix.diagonal().abs().sum() * torch.eye(len(matrix), dtype=matrix.dtype)
    return torch.linalg.solve(matrix + ridge, right)


class QuasiNewton(Method):
    """Zhou, Alexander and Lange (2011): Newton's step for x = F(x), with the least Jacobian that has the secants."""

    def target(self, pairs):
        if len(pairs) < 2:
            return None
        u, v, x, image = secants(pairs)
        return image + v @ solved(u.mT @ u - u.mT @ v, u.mT @ (image - x))


class Anderson(Method):
    """Anderson (1965): the combination of the last images whose residuals cancel best."""

    def target(self, pairs):
        if len(pairs) < 2:
            return None
        u, v, x, image = secants(pairs)
        residuals = v - u
        return image - v @ solved(residuals.mT @ residuals, residuals.mT @ (image - x))


class SecantQuasiNewton(QuasiNewton):
    """Quasi-Newton, but for log τ of logits, which follows the library's secant."""

    def target(self, pairs):
        target = super().target(pairs)
        if target is not None:
            noise = noise_of(self.posterior)
            for part in (noise[name] for name in self.names):
                earlier, last = ([value[part] for value in pair] for pair in pairs[-2:])
                target[part] = last[1] + _secant(*earlier, *last)
        return target


METHODS: dict[str, tuple[bool, type[Method] | None]] = {  # whether sweeps rotate, and what extrapolates them
    "plain": (False, Method),
    "rotation": (True, Method),
    "rotation, log τ ×1.8": (True, by(1.8, NoiseOverrelaxation)),
    "rotation, log τ ×8": (True, by(8.0, NoiseOverrelaxation)),
    "rotation, all ×1.5": (True, by(1.5, Overrelaxation)),
    "rotation, SQUAREM": (True, Squarem),
    "rotation, quasi-Newton": (True, QuasiNewton),
    "rotation, Anderson": (True, Anderson),
    "rotation, secant of log τ (the library)": (True, None),
    "rotation, quasi-Newton and secant of log τ": (True, SecantQuasiNewton),
}


# measuring


def trace(problem: Problem, method: str, epochs: int, seed: int) -> pd.DataFrame:
    """Sweeps, seconds and the bound after each accepted sweep."""
    rotates, extrapolation = METHODS[method]
    sweeps, records = Sweeps(rotates), []

    def record(row: dict) -> bool:
        records.append((sweeps.count, time.process_time(), row["elbo"]))
        return len(records) > PATIENCE and row["elbo"] - records[-1 - PATIENCE][2] < STANDSTILL

    def extrapolated(posterior: Posterior, names: list[str]) -> Method | NoiseExtrapolation:
        sweeps.begin = time.process_time()
        if extrapolation is None:
            return NoiseExtrapolation(posterior, names)
        return extrapolation(posterior, sweeps, names)

    with (
        mock.patch.object(global_updates, "rotate", sweeps),
        mock.patch.object(loop, "NoiseExtrapolation", extrapolated),
    ):
        fv.fit(*problem, epochs=epochs, tolerance=1e-15, seed=seed, progress=False, callbacks=[record])
    frame = pd.DataFrame(records, columns=["sweeps", "seconds", "bound"])
    frame["seconds"] -= sweeps.begin
    print(f"{method}: {', '.join(f'{frame.iloc[-1][name]:.1f} {name}' for name in frame)}", flush=True)
    return frame


def summary(runs: dict[str, pd.DataFrame]) -> Iterator[dict]:
    """One row a method: when it came near the best bound of all, and how far it is from it at the end."""
    best = max(run["bound"].max() for run in runs.values())
    for method, run in runs.items():
        record = {"method": method}
        for nats in NEAR:
            near = run[run["bound"] >= best - nats]
            first = near.iloc[0] if len(near) else pd.Series({"sweeps": np.inf, "seconds": np.inf})
            record |= {f"sweeps to {nats:g}": first["sweeps"], f"seconds to {nats:g}": first["seconds"]}
        last = run.iloc[-1]
        taken_back = 1 - len(run) / last["sweeps"]
        yield record | {
            "end − best": last["bound"] - best,
            "sweeps": last["sweeps"],
            "taken back": taken_back,
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path("../shared/data/multilabel"))
    parser.add_argument("--problems", nargs="+", default=["binary", "emotions", "real"])
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--sweeps", type=int, default=200, help="accepted ones, at most")
    options = parser.parse_args()
    for name in options.problems:
        make = problems(options.root).get(name)
        if make is None:
            print(f"{name}: not in {options.root}, left out")
            continue
        records = []
        for seed in range(options.draws):
            problem = make(seed)
            records += summary({method: trace(problem, method, options.sweeps, seed) for method in METHODS})
        frame = pd.DataFrame(records).groupby("method", sort=False).median()
        print(f"\n{name}, median of {options.draws}\n{frame.round(2).to_string()}", flush=True)


if __name__ == "__main__":
    main()
