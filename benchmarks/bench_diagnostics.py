"""What the diagnostics of the approximation say of two small real data sets, and of data drawn from the prior.

python benchmarks/bench_diagnostics.py psis [--root DIR] [--draws 300]
python benchmarks/bench_diagnostics.py coverage [--root DIR]
python benchmarks/bench_diagnostics.py restarts [--root DIR] [--starts 5] [--noise view]
python benchmarks/bench_diagnostics.py loo [--root DIR] [--draws 200] [--data miniacc drawn]
python benchmarks/bench_diagnostics.py sbc [--rows 30 100 300] [--simulations 100]

DIR holds omics/miniacc.npz (four views of numbers, counts logged) and omics/cll_drugs_mutations.npz; sbc needs none.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import pyro_favae as fv

FACTORS = 10
HIDDEN = 0.1
LOGGED = ("RNASeq2GeneNorm", "miRNASeqGene")


def real_data(args: argparse.Namespace) -> dict[str, tuple[fv.FAVAE, dict[str, np.ndarray]]]:
    """Models and data by name."""
    root, noise = args.root, fv.priors.Gamma(per_feature=args.noise == "feature")
    with np.load(root / "omics/miniacc.npz") as file:
        names = ("RNASeq2GeneNorm", "gistict", "RPPAArray", "miRNASeqGene")
        tumours = {name: file[name].astype(float) for name in names}
    tumours |= {name: np.log1p(tumours[name]) for name in LOGGED}
    with np.load(root / "omics/cll_drugs_mutations.npz") as file:
        patients = {name: file[name].astype(float) for name in ("drugs", "mutations")}
    views = {name: fv.views.Real(x.shape[1], "feature", noise=noise) for name, x in tumours.items()}
    leukaemia = {
        "drugs": fv.views.Real(310, "feature", noise=noise),
        "mutations": fv.views.Bernoulli(69),
    }
    models = {
        "miniacc": (fv.FAVAE(views, FACTORS), tumours),
        "cll": (fv.FAVAE(leukaemia, FACTORS), patients),
    }
    return {name: models[name] for name in args.data if name in models}


def drawn(rows: int = 500) -> tuple[fv.FAVAE, dict[str, np.ndarray]]:
    """Many rows of few columns, of three factors: where leaving rows out by weighing works."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(rows, 3))
    data = {
        name: factors @ rng.normal(size=(3, 6)) + rng.normal(size=(rows, 6)) for name in ("left", "right")
    }
    return fv.FAVAE({name: fv.views.Real(6) for name in data}, FACTORS), data


def psis(args: argparse.Namespace) -> None:
    """k-hat of everything, of the globals and of rows."""
    for name, (model, data) in real_data(args).items():
        fit = fv.fit(model, data, seed=0, progress=False)
        begin = time.perf_counter()
        found = fv.diagnostics.psis(fit, data, args.draws, seed=0)
        print(f"{name}: {fv.diagnostics.convergence(fit)}")
        print(f"{name}: {found}; {time.perf_counter() - begin:.0f} s")


def coverage(args: argparse.Namespace) -> None:
    """Of entries that were hidden when it was learnt."""
    for name, (model, data) in real_data(args).items():
        rng = np.random.default_rng(0)
        given = {key: np.where(rng.random(x.shape) < HIDDEN, np.nan, x) for key, x in data.items()}
        fit = fv.fit(model, given, seed=0, progress=False)
        print(f"{name}\n{fv.diagnostics.coverage(fit, data, given, seed=0).round(3)}")


def restarts(args: argparse.Namespace) -> None:
    """From principal components and from random weights."""
    for name, (model, data) in real_data(args).items():
        found = fv.diagnostics.restarts(model, data, args.starts)
        print(f"{name}: {found}\n{found.runs.round(2)}\n{found.factors.drop(columns='views').round(3)}")


def loo(args: argparse.Namespace) -> None:
    """Leaving rows out by importance sampling, with fewer factors beside it."""
    import arviz

    sets = real_data(args) | ({"drawn": drawn()} if "drawn" in args.data else {})
    for name, (model, data) in sets.items():
        begin = time.perf_counter()
        fits = {k: fv.fit(fv.FAVAE(model.views, k), data, seed=0, progress=False) for k in (2, 3, FACTORS)}
        draws = {
            f"{k} factors": fv.to_arviz(fit, data, draws=args.draws, seed=0, predictive=False)
            for k, fit in fits.items()
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            print(f"{name}\n{arviz.compare(draws, var_name='data').iloc[:, :7]}")
            scores = arviz.loo(draws[f"{FACTORS} factors"], var_name="data", pointwise=True)
        print(
            f"k-hat above {scores['good_k']:.2f}: {(scores['pareto_k'] > scores['good_k']).values.mean():.0%} of rows"
        )
        print(
            f"bounds { ({k: round(fit.elbo) for k, fit in fits.items()}) }; {time.perf_counter() - begin:.0f} s"
        )


def sbc(args: argparse.Namespace) -> None:
    """Closed-form views under proper priors: two real ones of 4 and 3 columns, two factors."""
    views = {name: fv.views.Real(size, standardise="none") for name, size in (("a", 4), ("b", 3))}
    proper = {"weights": fv.priors.ARD(2.0, 2.0), "noise": fv.priors.Gamma(2.0, 2.0), "bias_precision": 1.0}
    model = fv.FAVAE(views, 2, **proper)
    for rows in args.rows:
        begin = time.perf_counter()
        found = fv.diagnostics.simulation_based_calibration(model, rows, n_simulations=args.simulations)
        print(f"{rows} rows: {found}; {time.perf_counter() - begin:.0f} s")


def main() -> None:
    """Run one of the measurements, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = {"psis": psis, "coverage": coverage, "restarts": restarts, "loo": loo, "sbc": sbc}
    parser.add_argument("what", nargs="?", choices=[*what, "all"], default="all")
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--data", nargs="+", choices=["miniacc", "cll", "drawn"], default=["miniacc", "cll"])
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--noise", choices=["feature", "view"], default="feature", help="what has its own")
    parser.add_argument("--rows", type=int, nargs="+", default=[30, 100, 300])
    parser.add_argument("--simulations", type=int, default=100)
    args = parser.parse_args()
    pd.set_option("display.width", 160, "display.max_columns", 20, "display.max_rows", 100)
    for name in what if args.what == "all" else [args.what]:
        if name != "sbc" and not (args.root / "omics").is_dir():
            print(f"{name}: no {args.root / 'omics'}, left out")
            continue
        print(f"== {name}")
        what[name](args)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=FutureWarning, message=r"\s*ArviZ is undergoing")
    main()
