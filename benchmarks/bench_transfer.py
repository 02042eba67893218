"""How much sooner a deep VAE learns beside a small one's latents: several seeds, schedules and starts.

python benchmarks/bench_transfer.py --root DIR [--pixels 16] [--rows 2000] [--epochs 20] [--seeds 0 1 2]

Faces of CelebA below DIR, or scikit-learn's digits without --root. Prints, for each seed, the epochs and seconds in
which each model reaches the best held-out reconstruction of the best β-VAE, and R² of held-out images.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import pyro_favae as fv
from pyro_favae.experiments.transfer.measures import sooner
from pyro_favae.experiments.transfer.plans import (
    DIGITS,
    PLANS,
    Plan,
    Split,
    deepened,
    load_digits,
    load_faces,
)
from pyro_favae.experiments.transfer.training import train_alone, train_beside, train_small
from pyro_favae.models.networks import Convolutional

CHANNELS = {"small": (16, 32), "deep": (16, 32, 64, 128)}
BESIDE = {
    "FA-VAE": {},
    "FA-VAE, alternating": {"schedule": "alternating"},
    "FA-VAE, not aligned": {"start": "pca"},
}


def plan_of(options: argparse.Namespace) -> Plan:
    if options.root is None:
        return replace(DIGITS, epochs=options.epochs)
    for name, channels in CHANNELS.items():
        network = Convolutional(channels, normalised=True)
        fv.networks.register(f"bench-{name}", network.encoder, network.decoder)
    small = replace(PLANS["small"].small, shape=(3, options.pixels, options.pixels), network="bench-small")
    return replace(
        PLANS["small"],
        small=small,
        deep=deepened(small, "bench-deep"),
        rows=options.rows,
        epochs=options.epochs,
    )


def measured(split: Split, plan: Plan, seed: int) -> pd.DataFrame:
    quiet = {"seed": seed, "progress": False}
    small = train_small(split, plan, **quiet)
    curves = {f"β-VAE, β = {beta:g}": train_alone(split, plan, beta, **quiet).curve for beta in plan.betas}
    best = max(curves, key=lambda name: curves[name]["likelihood"].max())
    for name, options in BESIDE.items():
        curves[name] = train_beside(small, split, plan, **options, **quiet).curve
    table = sooner(curves, best)
    table["R²"] = [curve["r2"].iloc[-1] for curve in curves.values()]
    table["likelihood"] = [curve["likelihood"].iloc[-1] for curve in curves.values()]
    print(
        f"\nseed {seed}, small VAE {small.history['seconds'].iloc[-1]:.0f} s\n{table.round(3).to_string()}",
        flush=True,
    )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, help="folder that holds celeba/")
    parser.add_argument("--pixels", type=int, default=16)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    plan, tables = plan_of(options), []
    for seed in options.seeds:
        split = load_digits(seed) if options.root is None else load_faces(options.root, plan, seed, False)
        tables.append(measured(split, plan, seed))
    values = np.stack([table.to_numpy() for table in tables])
    for word, summary in (("mean", values.mean(0)), ("standard deviation", values.std(0))):
        print(f"\n{word}\n{pd.DataFrame(summary, tables[0].index, tables[0].columns).round(3).to_string()}")


if __name__ == "__main__":
    main()
