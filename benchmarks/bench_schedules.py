"""The single loop against the paper's Algorithm 1: epochs and seconds to the same bound.

python benchmarks/bench_schedules.py [--root DIR] [--rows 1000] [--epochs 40] [--seeds 0 1 2]

scikit-learn's small digits, or MNIST's test images below DIR, beside their labels. An epoch is a pass that trains
networks; the level to reach is what the worse of the two ends with, less a hundredth of what was gained since the
first epoch.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import pyro_favae as fv

SCHEDULES = ("joint", "alternating")


def rows_of(options: argparse.Namespace) -> tuple[fv.FAVAE, dict[str, np.ndarray]]:
    if options.root is None:
        digits = fv.datasets.load_digits()
        view = fv.views.Image((1, 8, 8), 8, likelihood=fv.likelihoods.Gaussian(0.15))
    else:
        digits = fv.datasets.load_mnist(options.root)
        view = fv.views.Image((1, 28, 28), 16, likelihood=fv.likelihoods.Gaussian(0.2))
    data = {"digit": digits.images[: options.rows], "label": np.eye(10)[digits.labels[: options.rows]]}
    return fv.FAVAE({"digit": view, "label": fv.views.Real(10)}, n_factors=view.latent_dim), data


def compared(model: fv.FAVAE, data: dict[str, np.ndarray], epochs: int, seed: int) -> pd.DataFrame:
    histories = {}
    for schedule in SCHEDULES:
        fit = fv.fit(
            model,
            data,
            epochs=epochs,
            batch_size=64,
            tolerance=1e-12,
            schedule=schedule,
            seed=seed,
            progress=False,
        )
        histories[schedule] = fit.history.assign(
            epoch=fit.history["stage"].isin(["warm-up", "train"]).cumsum()
        )
    first = min(history["elbo"].iloc[0] for history in histories.values())
    last = min(history["elbo"].iloc[-1] for history in histories.values())
    level = last - 0.01 * (last - first)
    there = {name: history[history["elbo"] >= level].iloc[0] for name, history in histories.items()}
    return pd.DataFrame(
        {
            name: {
                "epochs": there[name]["epoch"],
                "seconds": there[name]["seconds"],
                "seconds in all": history["seconds"].iloc[-1],
                "bound": history["elbo"].iloc[-1],
                "sweeps": (history["stage"] == "sweep").sum(),
            }
            for name, history in histories.items()
        }
    ).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder that holds MNIST/raw")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    model, data = rows_of(options)
    for seed in options.seeds:
        print(
            f"\nseed {seed}\n{compared(model, data, options.epochs, seed).round(1).to_string()}", flush=True
        )


if __name__ == "__main__":
    main()
