"""Priors on the weights against mofapy2's spike and slab, on simulated data whose zero weights are known.

python benchmarks/bench_priors.py [--settings base sparse ...] [--priors SpikeSlab Horseshoe ...] [--seeds 3]

Every method learns from the same two views with 5 % of their entries hidden, with the same number of factors and a
noise precision for each feature. True factors are matched to learnt ones by the Hungarian algorithm on the absolute
correlation over rows. Scores: the area under the ROC curve of the true non-zero weights on the matched factors,
ranked by |posterior mean| / posterior standard deviation ("auc"), and by what each method itself says of a weight
being on ("auc, own"): the posterior probability under both spikes and slabs, the horseshoe's expected prior
variance, and under a prior that has neither the same ratio as before; R² and log predictive density (nats an entry)
of what was hidden. For mofapy2 the predictive is a Gaussian with its noise and its posterior variances; ours is
``Fit.log_density``. With several seeds the last tables are the mean differences from mofapy2 in both areas, with
their standard errors over pairs. Without mofapy2 (pip install mofapy2) ours are measured alone.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mofa
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm
from sklearn.metrics import r2_score, roc_auc_score
from threadpoolctl import threadpool_limits

import pyro_favae as fv

HIDDEN = 0.05  # share of the entries
FEATURES = {"first": 100, "second": 60}
USED_BY = (("first", "second"),) * 3 + (("first",),) * 2 + (("second",),)  # the views of each true factor
N_FACTORS = 10
SWITCHED_OFF = 1e-3  # standard deviation of a factor's posterior means
MOST = 2_000  # sweeps or iterations, should a method not converge
TOLERANCE = 1e-6  # of the bound that a sweep must gain; mofapy2's "medium" is 5e-7 for every fifth iteration
PEER = "mofapy2 spike and slab"
PRIORS = {
    "ARD": fv.priors.ARD(),
    "FeatureARD": fv.priors.FeatureARD(),
    "SpikeSlab": fv.priors.SpikeSlab(),
    "Horseshoe": fv.priors.Horseshoe(),
    "Normal": fv.priors.Normal(),
}

Views = dict[str, np.ndarray]


@dataclass(frozen=True)
class Setting:
    """How data are drawn; every factor of unit variance, non-zero weights too."""

    rows: int = 500
    share: float = 0.2  # of a used factor's weights that are not zero
    noise: float = 1.0  # standard deviation
    tails: float | None = None  # degrees of freedom of the weights' Student t; None for normal
    inactive: float = 0.0  # share of features that use no factor
    dense: int = 0  # true factors whose weights are all non-zero


SETTINGS = {
    "base": Setting(),
    "5 % non-zero": Setting(share=0.05),
    "50 % non-zero": Setting(share=0.5),
    "N = 100": Setting(rows=100),
    "N = 2000": Setting(rows=2000),
    "noise 0.5": Setting(noise=0.5),
    "noise 2": Setting(noise=2.0),
    "noise 2, N = 100": Setting(noise=2.0, rows=100),
    "noise 4, N = 2000": Setting(noise=4.0, rows=2000),
    "heavy tails": Setting(tails=2.5),
    "half inactive": Setting(inactive=0.5),
    "three dense": Setting(dense=3),
}


@dataclass(frozen=True)
class Task:
    """What is learnt from, and the truth."""

    data: Views  # (rows, D), NaN where hidden
    full: Views
    factors: np.ndarray  # (rows, true K)
    weights: np.ndarray  # (ΣD, true K)

    def hidden(self, values: Views) -> np.ndarray:
        """Hidden entries of all views, in one vector."""
        return np.concatenate([values[name][np.isnan(self.data[name])] for name in self.data])


def simulate(setting: Setting, seed: int) -> Task:
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((setting.rows, len(USED_BY)))
    data, full, weights = {}, {}, []
    for name, features in FEATURES.items():
        shape = (features, len(USED_BY))
        drawn = rng.standard_normal(shape)
        if setting.tails is not None:
            drawn = rng.standard_t(setting.tails, shape) * np.sqrt((setting.tails - 2) / setting.tails)
        on = rng.random(shape) < setting.share
        on[:, : setting.dense] = True
        on &= rng.random((features, 1)) >= setting.inactive
        on &= [name in views for views in USED_BY]
        weights.append(np.where(on, drawn, 0.0))
        noise = (
            setting.noise * rng.uniform(0.8, 1.2, features) * rng.standard_normal((setting.rows, features))
        )
        full[name] = factors @ weights[-1].T + noise
        data[name] = np.where(rng.random(full[name].shape) < HIDDEN, np.nan, full[name])
    return Task(data, full, factors, np.concatenate(weights))


@dataclass(frozen=True)
class Learnt:
    """What a method makes of a task."""

    factors: np.ndarray  # (rows, K)
    evidence: np.ndarray  # (ΣD, K)  |mean| / sd of the weights
    on: np.ndarray  # (ΣD, K)  how much the method itself takes a weight to be on
    mean: Views
    log_density: np.ndarray  # of the hidden entries, nats


def learn_ours(task: Task, prior: fv.priors.WeightPrior, seed: int) -> Learnt:
    views = {name: fv.views.Real(values.shape[1]) for name, values in task.data.items()}
    model = fv.FAVAE(views, N_FACTORS, weights=prior, noise=fv.priors.Gamma(per_feature=True))
    fit = fv.fit(model, task.data, epochs=MOST, tolerance=TOLERANCE, seed=seed, progress=False, device="cpu")
    evidence, on = [], []
    for name in views:
        posterior = fit.posterior.view(name)
        weights, relevance = posterior.weights, posterior.relevance
        evidence.append(weights.weights.abs() / weights.variance[:, :-1].sqrt())
        if relevance.inclusion is not None:
            on.append(relevance.inclusion)
        else:
            on.append(1 / relevance.precision if isinstance(prior, fv.priors.Horseshoe) else evidence[-1])
    density = {name: fit.log_density(name, task.full[name], task.data) for name in views}
    mean = {name: fit.predict(name, task.data).mean for name in views}
    factors = fit.transform(task.data).mean
    return Learnt(factors, torch.cat(evidence).numpy(), torch.cat(on).numpy(), mean, task.hidden(density))


def learn_peer(task: Task, seed: int) -> Learnt:
    told = mofa.learnt(task.data, N_FACTORS, seed, iterations=MOST, mode="medium")
    evidence = [np.abs(told.weights[n]) / np.maximum(told.deviations[n], 1e-300) for n in task.data]
    density = {name: norm.logpdf(task.full[name], told.mean[name], told.sd[name]) for name in task.data}
    on = np.concatenate([told.inclusion[name] for name in task.data])
    return Learnt(told.factors, np.concatenate(evidence), on, told.mean, task.hidden(density))


def scores(task: Task, learnt: Learnt) -> dict[str, float]:
    correlation = correlations(task.factors, learnt.factors)
    true, found = linear_sum_assignment(-correlation)
    matched, zero = found[np.argsort(true)], task.weights == 0
    truth = task.hidden(task.full)
    return {
        "auc": roc_auc_score(~zero.ravel(), learnt.evidence[:, matched].ravel()),
        "auc, own": roc_auc_score(~zero.ravel(), learnt.on[:, matched].ravel()),
        "correlation": correlation[true, found].mean(),
        "r2": r2_score(truth, task.hidden(learnt.mean)),
        "density": learnt.log_density.mean(),
    }


def correlations(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """|correlation| over rows of factors (rows, ·), which are of unit variance; 0 with one that is switched off."""
    off = found.std(0) < SWITCHED_OFF
    standard = (found - found.mean(0)) / np.where(off, np.inf, found.std(0))
    return np.abs((true - true.mean(0)).T / true.std(0)[:, None] @ standard) / len(true)


def methods(names: list[str]) -> dict[str, Callable[[Task, int], Learnt]]:
    chosen = {
        name: lambda task, seed, prior=prior: learn_ours(task, prior, seed)
        for name, prior in PRIORS.items()
        if name in names
    }
    if mofa.available():
        chosen[PEER] = learn_peer
    else:
        print("mofapy2 is not installed (pip install mofapy2): ours are measured alone\n", flush=True)
    return chosen


def compare(name: str, seed: int, chosen: dict[str, Callable[[Task, int], Learnt]]) -> list[dict]:
    task, rows = simulate(SETTINGS[name], seed), []
    for method, learn in chosen.items():
        begin = time.perf_counter()
        learnt = learn(task, seed)
        seconds = time.perf_counter() - begin
        rows.append(
            {"setting": name, "seed": seed, "method": method, "seconds": seconds} | scores(task, learnt)
        )
    return rows


def table(rows: list[dict], score: str, digits: int) -> str:
    """Means over seeds, settings × methods."""
    columns = list(dict.fromkeys(row["method"] for row in rows))
    lines = [["setting", *columns], ["---"] * (1 + len(columns))]
    for name in dict.fromkeys(row["setting"] for row in rows):
        values = [
            [row[score] for row in rows if row["setting"] == name and row["method"] == method]
            for method in columns
        ]
        lines.append([name, *(f"{np.mean(v):.{digits}f}" for v in values)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def differences(rows: list[dict], score: str) -> str:
    """Means over seeds of a score less mofapy2's of the same data, ± standard errors, settings × methods."""
    columns = [method for method in dict.fromkeys(row["method"] for row in rows) if method != PEER]
    values = {(row["setting"], row["seed"], row["method"]): row[score] for row in rows}
    lines = [["setting", *columns], ["---"] * (1 + len(columns))]
    for name in dict.fromkeys(row["setting"] for row in rows):
        seeds = sorted({row["seed"] for row in rows if row["setting"] == name})
        lines.append([name])
        for method in columns:
            gaps = np.array([values[name, seed, method] - values[name, seed, PEER] for seed in seeds])
            lines[-1].append(f"{gaps.mean():+.3f} ± {gaps.std(ddof=1) / len(gaps) ** 0.5:.3f}")
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--priors", nargs="+", default=list(PRIORS), choices=list(PRIORS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict] = []
    with threadpool_limits(1):
        chosen = methods(options.priors)
        for name in options.settings:
            for seed in range(options.seeds):
                rows += compare(name, seed, chosen)
    digits_of = {"auc": 3, "auc, own": 3, "correlation": 3, "r2": 4, "density": 4, "seconds": 1}
    for score, digits in digits_of.items():
        print(f"{score}\n\n{table(rows, score, digits)}\n")
    if PEER in chosen and options.seeds > 1:
        for score in ("auc", "auc, own"):
            print(f"{score}, less mofapy2's\n\n{differences(rows, score)}\n")
    if options.out:
        options.out.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
