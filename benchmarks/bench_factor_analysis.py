"""The closed-form engine against mofapy2, and what a sweep of it costs in time and memory.

python benchmarks/bench_factor_analysis.py peer [--root DIR] [--data simulated cll ...] [--mode medium]
python benchmarks/bench_factor_analysis.py sweep [--rows 100000 --features 1000 --factors 50]
python benchmarks/bench_factor_analysis.py scaling
python benchmarks/bench_factor_analysis.py memory [--rows 100000 1000000]

peer: both learn the same views with 5 % of the observed entries hidden, and are timed to the same held-out R²: the
lower of the two converged ones less 0.001. The clock runs from the user's arrays on, stands still while a state is
scored, and charges ours for the pass over the rows that reads its factors off (mofapy2 has its factors at hand).
Both have ARD weights and a noise precision for each feature of a real view; mofapy2's ARD prior is
Gamma(1e-14, 1e-14), ours the default Gamma(1e-3, 1e-3). Ours learns a bias, mofapy2 centres. Without mofapy2
(pip install mofapy2) ours is measured alone.

sweep: one exact pass over the rows against its two matrix products, timed alternately. scaling: exponents of the
cost of a sweep in rows and in features. memory: peak memory of a fit from a memory-mapped file, a process each.
"""

import argparse
import inspect
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mofa
import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_info, threadpool_limits

import pyro_favae as fv
from pyro_favae.data import Dataset, prepare
from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.fit import Run
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.results.predictive import inferred

HIDDEN = 0.05  # share of the observed entries
SLACK = 0.001  # of R², below the lower of the converged values
MOST = 2_000  # sweeps or iterations, should a method not converge
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
OURS, PEER = "pyro_favae", "mofapy2"
PACKAGES = ("pyro-favae", "torch", "numpy", "mofapy2")
MEBI = 2**20

Views = dict[str, np.ndarray]  # (rows, features) by name, float64, NaN where missing


# data


@dataclass(frozen=True)
class Stored:
    """Views in a file below the root; those named in ``log`` hold counts."""

    path: str
    names: tuple[str, ...]
    n_factors: int
    log: tuple[str, ...] = ()

    def read(self, root: Path) -> Views:
        with np.load(root / self.path) as arrays:
            views = {name: arrays[name].astype(np.float64) for name in self.names}
        return {name: np.log1p(values) if name in self.log else values for name, values in views.items()}


STORED = {
    "miniacc": Stored(
        "omics/miniacc.npz",
        ("RNASeq2GeneNorm", "gistict", "RPPAArray", "Mutations", "miRNASeqGene"),
        15,
        log=("RNASeq2GeneNorm", "miRNASeqGene"),
    ),
    "cll": Stored("omics/cll_drugs_mutations.npz", ("drugs", "mutations"), 15),
    "breast_tcga": Stored("omics/breast_tcga.npz", ("mrna", "mirna", "protein"), 15),
    "mfeat": Stored("multiview/mfeat_six_views.npz", ("pix", "fou", "fac", "zer", "kar", "mor"), 25),
}
SIMULATED_FACTORS = 25
SHARED_BY = ("abc", "abc", "abc", "abc", "ab", "ac", "bc", "a", "b", "c")  # the views of each true factor


def simulated(rows: int, seed: int) -> Views:
    """Ten true factors, noise of standard deviation about 1; one row in twenty lacks one of the views."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((rows, len(SHARED_BY)))
    views = {}
    for name, features in {"a": 100, "b": 200, "c": 50}.items():
        used = np.array([name in names for names in SHARED_BY])
        weights = rng.standard_normal((features, len(SHARED_BY))) * used
        noise = rng.uniform(0.8, 1.2, features) * rng.standard_normal((rows, features))
        views[name] = factors @ weights.T + noise
    lacking = rng.choice(rows, rows // 20, replace=False)
    for row, name in zip(lacking, rng.choice(list(views), len(lacking)), strict=True):
        views[name][row] = np.nan
    return views


@dataclass(frozen=True)
class Task:
    """What is learnt from, and the truth of what was hidden."""

    data: Views
    truth: Views
    hidden: Views  # booleans
    n_factors: int

    @cached_property
    def binary(self) -> list[str]:
        return [
            name for name, values in self.truth.items() if (np.isnan(values) | np.isin(values, (0, 1))).all()
        ]

    @cached_property
    def real(self) -> list[str]:
        return [name for name in self.data if name not in self.binary]


def hide(views: Views, n_factors: int, whole_rows: bool, seed: int) -> Task:
    """Hide entries at random; features that no longer vary are left out for everybody."""
    rng = np.random.default_rng(seed)
    data, truth, hidden = {}, {}, {}
    for name, values in views.items():
        drawn = rng.random((len(values), 1) if whole_rows else values.shape) < HIDDEN
        chosen = drawn & ~np.isnan(values)
        left = np.where(chosen, np.nan, values)
        varies = np.nanmax(left, 0, initial=-np.inf) > np.nanmin(left, 0, initial=np.inf)
        data[name], truth[name], hidden[name] = left[:, varies], values[:, varies], chosen[:, varies]
    return Task(data, truth, hidden, n_factors)


# held-out score


class Score:
    """R² of hidden entries of real views about the training means, in units of each view's deviation."""

    def __init__(self, task: Task) -> None:
        self.task, self.real, self.binary = task, task.real, task.binary
        self.means, self.scales = {}, {}
        for name in self.real:
            self.means[name] = np.nanmean(task.data[name], 0)
            self.scales[name] = np.nanstd(task.data[name] - self.means[name])

    def squares(self, name: str, predicted: np.ndarray) -> float:
        """Of the errors at hidden entries."""
        errors = (self.task.truth[name] - predicted)[self.task.hidden[name]] / self.scales[name]
        return float(errors @ errors)

    def r2(self, predicted: Views, names: Sequence[str]) -> float:
        around = sum(self.squares(name, self.means[name]) for name in names)
        return 1 - sum(self.squares(name, predicted[name]) for name in names) / around

    def __call__(self, predicted: Views) -> float:
        return self.r2(predicted, self.real)

    def by_view(self, predicted: Views) -> dict[str, float | None]:
        """R² of a real view, area under the curve of a binary one; None where all that is hidden is alike."""
        scores: dict[str, float | None] = {name: self.r2(predicted, [name]) for name in self.real}
        for name in self.binary:
            hidden = self.task.hidden[name]
            truth = self.task.truth[name][hidden]
            both = 0 < truth.sum() < len(truth)
            scores[name] = roc_auc_score(truth, predicted[name][hidden]) if both else None
        return scores


@dataclass
class Watch:
    """A clock of learning that stands still while a state is scored."""

    score: Score
    trace: list[tuple[float, float]] = field(default_factory=list)  # seconds, held-out R²
    predicted: Views = field(default_factory=dict)
    learnt: float = 0.0  # seconds up to ``since``
    clock: Callable[[], float] = time.perf_counter
    since: float = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.clock()

    def look(self, predict: Callable[[], Views], charged: bool = False) -> None:
        """Score a state; ``charged``: this point of the trace pays for its prediction."""
        stopped = self.clock()
        self.learnt += stopped - self.since
        self.predicted = predict()
        cost = self.clock() - stopped if charged else 0.0
        self.trace.append((self.learnt + cost, self.score(self.predicted)))
        self.since = self.clock()

    def stop(self) -> None:
        self.learnt += self.clock() - self.since


# the two methods


def settings(seed: int, callbacks: tuple = ()) -> Settings:
    """The defaults of fv.fit, but for the number of sweeps."""
    of_fit = inspect.signature(fv.fit).parameters
    defaults = {one.name: of_fit[one.name].default for one in fields(Settings) if one.name in of_fit}
    return Settings(**defaults | {"epochs": MOST, "seed": seed, "progress": False, "callbacks": callbacks})


def declare(task: Task, per_feature: bool) -> fv.FAVAE:
    noise = fv.priors.Gamma(per_feature=per_feature)
    views = {}
    for name, values in task.data.items():
        features = values.shape[1]
        binary = name in task.binary
        views[name] = fv.views.Bernoulli(features) if binary else fv.views.Real(features, noise=noise)
    return fv.FAVAE(views, n_factors=task.n_factors)


@torch.no_grad()
def predictions(guide: FAVAEGuide, dataset: Dataset) -> Views:
    """W̄ ḡ + b̄ in the user's units; probabilities for a binary view."""
    factors = torch.cat([rows.factors for rows in inferred(guide, dataset)])
    predicted = {}
    for name in guide.names:
        weights = guide.posterior.view(name).weights
        latents = factors @ weights.weights.mT + weights.bias
        predicted[name] = guide.model.emission(name).decode(latents).numpy()
    return predicted


def learn_ours(task: Task, seed: int, options: argparse.Namespace) -> tuple[Watch, str]:
    model = declare(task, options.noise == "feature")
    watch = Watch(Score(task), clock=CLOCKS[options.clock])
    dataset = prepare(model, task.data)
    _, guide = pyro_pair(model, len(dataset))

    def each(_: dict) -> None:
        watch.look(lambda: predictions(guide, dataset), charged=True)

    outcome = Run(guide, dataset, settings(seed, (each,)), Scope.afresh(guide.names))()
    watch.stop()
    return watch, outcome.ended_by


def learn_peer(task: Task, seed: int, options: argparse.Namespace) -> tuple[Watch, str]:
    watch = Watch(Score(task), clock=CLOCKS[options.clock])
    ended_by = mofa.learn(
        task.data,
        task.binary,
        task.n_factors,
        seed,
        iterations=MOST,
        mode=options.mode,
        spikeslab=options.spikeslab,
        each=watch.look,
    )
    watch.stop()
    return watch, ended_by


# the comparison


def peer(options: argparse.Namespace) -> dict:
    methods = {OURS: learn_ours}
    if mofa.available():
        methods[PEER] = learn_peer
    else:
        print("mofapy2 is not installed (pip install mofapy2): ours is measured alone\n", flush=True)
    print(conditions(options) + "\n", flush=True)
    warm_up = hide(simulated(100, 0), 3, options.hide == "rows", 0)
    for learn in methods.values():
        learn(warm_up, 0, options)
    results = []
    for name in options.data:
        for seed in range(options.seeds):
            task = make_task(name, seed, options)
            if task is not None:
                results.append(compare(name, task, seed, methods, options))
                print(progress(results[-1]), file=sys.stderr, flush=True)
    print(peer_tables(results, methods))
    return {"runs": results}


def conditions(options: argparse.Namespace) -> str:
    """What the tables do not say."""
    ours = f"tolerance {settings(0).tolerance:g}, one noise precision a {options.noise} of real views"
    peers = (
        f"convergence mode {options.mode}, bound every fifth iteration and no factor dropped (its defaults)"
    )
    weights = "spike and slab over ARD weights" if options.spikeslab else "ARD weights"
    return f"{HIDDEN:.0%} of {options.hide} hidden; {options.clock} clock; {OURS}: {ours}; {PEER}: {peers}, {weights}"


def make_task(name: str, seed: int, options: argparse.Namespace) -> Task | None:
    whole_rows = options.hide == "rows"
    if name == "simulated":
        return hide(simulated(options.rows, seed), SIMULATED_FACTORS, whole_rows, seed)
    stored = STORED[name]
    if not (options.root / stored.path).is_file():
        print(f"{name}: no {stored.path} below {options.root}, skipped\n", flush=True)
        return None
    return hide(stored.read(options.root), stored.n_factors, whole_rows, seed)


def compare(name: str, task: Task, seed: int, methods: dict, options: argparse.Namespace) -> dict:
    runs = {method: learn(task, seed, options) for method, learn in methods.items()}
    threshold = min(watch.trace[-1][1] for watch, _ in runs.values()) - SLACK
    return {
        "data": name,
        "seed": seed,
        "rows": len(next(iter(task.data.values()))),
        "factors": task.n_factors,
        "threshold": threshold,
        "least": least_seconds(task, CLOCKS[options.clock]),
        "views": {
            view: {
                "features": values.shape[1],
                "kind": "binary" if view in task.binary else "real",
                "hidden": int(task.hidden[view].sum()),
            }
            for view, values in task.data.items()
        },
        "methods": {method: summary(*run, threshold) for method, run in runs.items()},
    }


def least_seconds(task: Task, clock: Callable[[], float], repeats: int = 7) -> dict[str, float]:
    """What cannot be left out on the way to a first prediction, each timed alone, best of some.

    One pass of a search for components and one sweep are two products of the whole table with K columns each, the
    prediction is one more. Rows of which single entries are hidden need a factorisation each.
    """
    table = torch.as_tensor(np.nan_to_num(np.concatenate(list(task.data.values()), 1)))
    rows, k = len(table), task.n_factors
    weights, factors = torch.randn(table.shape[1], k).to(table), torch.randn(rows, k).to(table)
    precision = factors[:, :, None] * factors[:, None] + torch.eye(k).to(table)
    parts = {
        "Z @ W": lambda: table @ weights,
        "Z.T @ G": lambda: table.mT @ factors,
        "G @ W.T": lambda: factors @ weights.mT,
        "Cholesky": lambda: torch.linalg.cholesky_ex(precision),
    }
    times = {name: min(seconds(part, clock) for _ in range(repeats)) for name, part in parts.items()}
    products = 2 * times["Z @ W"] + 2 * times["Z.T @ G"] + times["G @ W.T"]
    return {"products": products, "factorisations": times["Cholesky"]}


def summary(watch: Watch, ended_by: str, threshold: float) -> dict:
    """What one method did; ``to_threshold``: seconds and iterations when held-out R² first reached it."""
    first = next(i for i, (_, r2) in enumerate(watch.trace) if r2 >= threshold)
    return {
        "r2": watch.trace[-1][1],
        "best_r2": max(r2 for _, r2 in watch.trace),
        "seconds_to_threshold": watch.trace[first][0],
        "iterations_to_threshold": first + 1,
        "seconds_to_first": watch.trace[0][0],
        "seconds_each": float(np.median(np.diff([time for time, _ in watch.trace]))),
        "seconds": watch.learnt,
        "iterations": len(watch.trace),
        "ended_by": ended_by,
        "views": watch.score.by_view(watch.predicted),
        "trace": watch.trace,
    }


def progress(run: dict) -> str:
    parts = [
        f"{method} {told['r2']:.4f} in {told['seconds']:.2f} s, {told['iterations']} iterations, {told['ended_by']}"
        for method, told in run["methods"].items()
    ]
    return f"{run['data']}, seed {run['seed']}: " + "; ".join(parts)


def peer_tables(runs: list[dict], methods: dict) -> str:
    head = [
        "data",
        "N",
        "K",
        "R² to reach",
        "method",
        "s to it",
        "iterations to it",
        "s to the first",
        "s each",
        "converged R²",
        "best R²",
    ]
    head += ["s", "iterations", "ended by"]
    speed = [row for run in runs for row in speed_rows(run)]
    views = [
        [label(run), name, view["features"], view["hidden"], "AUC" if view["kind"] == "binary" else "R²"]
        + [held_out(told["views"][name]) for told in run["methods"].values()]
        for run in runs
        for name, view in run["views"].items()
    ]
    by_view = ["data", "view", "features", "hidden entries", "held-out", *methods]
    return markdown(head, speed) + "\n\n" + markdown(by_view, views)


def held_out(score: float | None) -> str:
    return "undefined" if score is None else f"{score:.4f}"


def label(run: dict) -> str:
    return f"{run['data']}, seed {run['seed']}"


def speed_rows(run: dict) -> list[list[object]]:
    """A row for each method, and how many times faster ours is."""
    lead = [label(run), run["rows"], run["factors"], f"{run['threshold']:.4f}"]
    rows = [
        [*lead, method, f"{told['seconds_to_threshold']:.3f}", told["iterations_to_threshold"]]
        + [f"{told['seconds_to_first']:.3f}", f"{told['seconds_each']:.4f}"]
        + [f"{told['r2']:.4f}", f"{told['best_r2']:.4f}", f"{told['seconds']:.2f}", told["iterations"]]
        + [told["ended_by"]]
        for method, told in run["methods"].items()
    ]
    if PEER in run["methods"]:
        ratio = {key: times_faster(run, key) for key in ("seconds_to_threshold", "seconds")}
        blank = [""] * 5
        rows.append([*lead, "times faster", ratio["seconds_to_threshold"], *blank, ratio["seconds"], "", ""])
        least, budget = run["least"], run["methods"][PEER]["seconds_to_threshold"]
        for name, taken in {
            "products": least["products"],
            "products and factorisations": sum(least.values()),
        }.items():
            told = [f"{OURS}, its {name} alone", f"{taken:.4f} ({budget / taken:.1f} times)"]
            rows.append([*lead, *told, *[""] * 8])
    return rows


def times_faster(run: dict, key: str) -> str:
    return f"{run['methods'][PEER][key] / run['methods'][OURS][key]:.2f}"


# the cost of a sweep


def low_rank(rows: int, features: int, seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    """Ten factors and noise, (rows, features)."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((rows, features), dtype)
    values += rng.standard_normal((rows, 10), dtype) @ rng.standard_normal((10, features), dtype)
    return values


def started(values: np.ndarray, n_factors: int, per_feature: bool) -> Run:
    """A run on one real view, two sweeps in."""
    noise = fv.priors.Gamma(per_feature=per_feature)
    model = fv.FAVAE({"table": fv.views.Real(values.shape[1])}, n_factors=n_factors, noise=noise)
    dataset = prepare(model, {"table": values})
    _, guide = pyro_pair(model, len(dataset))
    run = Run(guide, dataset, settings(seed=0), Scope.afresh(guide.names))
    run._units()
    run._start()
    for _ in range(2):
        run._sweep("sweep")
    return run


def seconds(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    begin = clock()
    call()
    return clock() - begin


def sweep(options: argparse.Namespace) -> dict:
    values = low_rank(options.rows, options.features)
    table = torch.as_tensor(values)
    weights = torch.randn(options.features, options.factors, dtype=torch.float64)
    factors = torch.randn(options.rows, options.factors, dtype=torch.float64)
    run = started(values, options.factors, options.noise == "feature")
    times: dict[str, list[float]] = {"Z @ W": [], "Z.T @ G": [], "sweep": []}
    for _ in range(options.repeats):
        times["Z @ W"].append(seconds(lambda: table @ weights))
        times["Z.T @ G"].append(seconds(lambda: table.mT @ factors))
        times["sweep"].append(seconds(lambda: run._sweep("sweep")))
    rows = [[name, f"{np.median(ts):.3f}", f"{min(ts):.3f}"] for name, ts in times.items()]
    ratios = {
        name: middle(times["sweep"]) / (middle(times["Z @ W"]) + middle(times["Z.T @ G"]))
        for name, middle in (("median", np.median), ("best", min))
    }
    rows.append(["sweep / products", f"{ratios['median']:.2f}", f"{ratios['best']:.2f}"])
    size = f"N = {options.rows:,}, D = {options.features:,}, K = {options.factors}"
    print(markdown([size, f"median of {options.repeats}, s", "best, s"], rows))
    return {"times": times, "ratios": ratios}


def scaling(options: argparse.Namespace) -> dict:
    """Sizes in rows at fixed features, and in features at fixed rows."""
    grids = {
        "N": [(rows, options.features) for rows in options.row_sizes],
        "D": [(options.rows, features) for features in options.feature_sizes],
    }
    results = {}
    for axis, sizes in grids.items():
        times = [sweep_times(*size, options) for size in sizes]
        along = [size[axis == "D"] for size in sizes]
        exponents = {
            name: exponent(along, [middle(ts) for ts in times])
            for name, middle in (("median", np.median), ("best", min))
        }
        rows = [
            [f"{rows:,}", f"{features:,}", f"{np.median(ts):.4f}", f"{min(ts):.4f}"]
            for (rows, features), ts in zip(sizes, times, strict=True)
        ]
        rows.append([f"exponent in {axis}", "", f"{exponents['median']:.3f}", f"{exponents['best']:.3f}"])
        head = ["N", "D", f"median of {options.repeats} sweeps, s", "best, s"]
        print(markdown(head, rows) + "\n", flush=True)
        results[axis] = {"sizes": sizes, "times": times, "exponents": exponents}
    return results


def sweep_times(rows: int, features: int, options: argparse.Namespace) -> list[float]:
    run = started(low_rank(rows, features), options.factors, options.noise == "feature")
    return [seconds(lambda: run._sweep("sweep")) for _ in range(options.repeats)]


def exponent(sizes: list[int], times: list[float]) -> float:
    """Slope of log time on log size, least squares."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


# memory


def memory(options: argparse.Namespace) -> dict:
    """Each size in a process of its own, which reads a file that was written a piece at a time.

    This process must stay smaller than those: a child's peak resident set starts from its parent's.
    """
    told = [memory_of(rows, options) for rows in options.rows]
    columns = ("file", "before", "peak_resident", "peak_anonymous")
    head = ["rows", "file, MiB", "resident before, MiB", "peak resident, MiB", "peak anonymous, MiB", "s"]
    rows = [
        [f"{one['rows']:,}", *(mebi(one[key]) for key in columns), f"{one['seconds']:.1f}"] for one in told
    ]
    first, last = told[0], told[-1]
    growth = {
        key: None if first[key] is None else last[key] - first[key] for key in columns if key != "before"
    }
    rows.append(["growth", mebi(growth["file"]), "", *(mebi(growth[key]) for key in columns[2:]), ""])
    print(markdown(head, rows))
    return {"sizes": told, "growth": growth}


def mebi(value: float | None) -> str:
    return "unknown" if value is None else f"{value / MEBI:.1f}"


def memory_of(rows: int, options: argparse.Namespace) -> dict:
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        path = Path(folder) / "table.npy"
        write_table(path, rows, options.features)
        command = [sys.executable, __file__, "fit-from-disk", str(path)]
        command += ["--factors", str(options.factors), "--epochs", str(options.epochs)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1]) | {"rows": rows, "file": path.stat().st_size}


def write_table(path: Path, rows: int, features: int) -> None:
    piece = 10_000
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, features)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, piece):
            values = low_rank(piece, features, seed=start, dtype=np.float32)
            values[: rows - start].tofile(file)


class AnonymousPeak(threading.Thread):
    """Watches this process's anonymous memory, bytes: resident pages that no file backs. None if untold."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak: int | None = None
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.005):
            now = status("RssAnon")
            if now is None:
                return
            self.peak = max(now, self.peak or 0)


def status(field_name: str) -> int | None:
    """A field of the kernel's account of this process, bytes; None where it keeps none."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.is_file() else []
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field_name}:")), None)


def fit_from_disk(options: argparse.Namespace) -> None:
    """One fit in this process; the last line printed is what it took, as JSON."""
    values = np.load(options.path, mmap_mode="r")
    model = fv.FAVAE({"table": fv.views.Real(values.shape[1])}, n_factors=options.factors)
    before, watch = status("VmRSS"), AnonymousPeak()
    watch.start()
    taken = seconds(lambda: fv.fit(model, {"table": values}, epochs=options.epochs, seed=0, progress=False))
    watch.done.set()
    watch.join()
    unit = 1 if sys.platform == "darwin" else 1024
    peak = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {"before": before, "peak_resident": peak, "peak_anonymous": watch.peak, "seconds": taken}
    print(json.dumps(told))


# output and command line


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def machine() -> dict:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = None
    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "numpy_threads": max(blas, default=None),
        "python": platform.python_version(),
        **versions,
    }


def processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    named = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--threads", type=int, help="for torch and NumPy alike")
    common.add_argument("--out", type=Path, help="JSON file to write")
    _add_peer(commands.add_parser("peer", parents=[common]))

    one = commands.add_parser("sweep", parents=[common])
    _add_cost(one, rows=100_000, features=1_000, factors=50, repeats=5)
    one.set_defaults(run=sweep)

    many = commands.add_parser("scaling", parents=[common])
    _add_cost(many, rows=20_000, features=200, factors=20, repeats=5)
    row_sizes, feature_sizes = [10_000 * 2**i for i in range(5)], [100 * 2**i for i in range(5)]
    many.add_argument("--row-sizes", type=int, nargs="+", default=row_sizes, help="at --features")
    many.add_argument("--feature-sizes", type=int, nargs="+", default=feature_sizes, help="at --rows")
    many.set_defaults(run=scaling)

    disk = commands.add_parser("memory", parents=[common])
    disk.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    disk.add_argument("--features", type=int, default=50)
    disk.add_argument("--factors", type=int, default=10)
    disk.add_argument("--epochs", type=int, default=3)
    disk.add_argument("--scratch", type=Path, help="folder for the file that is read")
    disk.set_defaults(run=memory)

    child = commands.add_parser("fit-from-disk", help="one process of memory")
    child.add_argument("path", type=Path)
    child.add_argument("--factors", type=int, required=True)
    child.add_argument("--epochs", type=int, required=True)
    child.set_defaults(run=fit_from_disk)
    return parser


def _add_peer(parser: argparse.ArgumentParser) -> None:
    names = ["simulated", *STORED]
    root = os.environ.get("PYRO_FAVAE_DATA", "../shared/data")
    parser.add_argument("--root", type=Path, default=root, help="folder that holds omics and multiview")
    parser.add_argument("--data", nargs="+", default=names, choices=names)
    parser.add_argument("--rows", type=int, default=2_000, help="of the simulated data")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--hide", choices=["entries", "rows"], default="entries", help="rows: whole views")
    parser.add_argument("--noise", choices=["feature", "view"], default="feature", help="ours, real views")
    parser.add_argument(
        "--clock", choices=list(CLOCKS), default="wall", help="cpu: where others share the machine"
    )
    parser.add_argument("--mode", choices=["fast", "medium", "slow"], default="medium", help="mofapy2's")
    parser.add_argument("--spikeslab", action="store_true", help="mofapy2's sparse weights, its default")
    parser.set_defaults(run=peer)


def _add_cost(parser: argparse.ArgumentParser, **defaults: int) -> None:
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--noise", choices=["feature", "view"], default="view")


def main() -> None:
    options = command_line().parse_args(sys.argv[1:] or ["peer"])
    if options.run is fit_from_disk:
        return fit_from_disk(options)
    if options.threads:
        torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        where = machine()
        print(", ".join(f"{key} {value}" for key, value in where.items()) + "\n", flush=True)
        results = options.run(options)
    if options.out:
        told = {key: str(value) for key, value in vars(options).items() if key not in ("run", "out")}
        options.out.write_text(json.dumps({"machine": where, "options": told, **results}))


if __name__ == "__main__":
    main()
