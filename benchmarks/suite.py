"""Every comparison in one table: this library beside another way to do the same, in one run on one machine.

python benchmarks/suite.py [--only NAME ...] [--root DIR] [--out FILE]

A benchmark is one entry of SUITE: a function that takes the folder of real data and returns rows. What is compared is
measured in turns within the run: the ratios hold on a busy machine too, the seconds do not. What is not installed, or
not there, is a row that says so.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import comparisons
import torch
from bench_factor_analysis import markdown, processor
from comparisons import Row

SUITE: dict[str, Callable[[Path], Iterable[Row]]] = {
    "streaming": comparisons.streaming,
    "a VAE in FA-VAE": comparisons.networks,
    "factor analysis": comparisons.factor_analysis,
    "two views": comparisons.two_views,
    "two processes": comparisons.two_processes,
    "influence": comparisons.influence,
}
HEAD = ("benchmark", "what", "unit", "ours", "other", "ours / other", "the other is")
PACKAGES = ("pyro-favae", "torch", "numpy", "mofapy2", "multivae")


def machine() -> str:
    """What the figures were taken on."""
    cores, load = os.cpu_count(), os.getloadavg()[0]
    told = [f"{processor()}, {cores} cores, {torch.get_num_threads()} threads, load {load:.1f} at the end"]
    return ", ".join(told + [f"{package} {installed(package)}" for package in PACKAGES])


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def cells(name: str, row: Row) -> list[str]:
    figures = [shown(row.ours), shown(row.other), shown(row.ratio)]
    return [name, row.what, row.unit, *figures, row.against]


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=SUITE, default=list(SUITE))
    default = os.environ.get("PYRO_FAVAE_DATA", "../shared/data")
    parser.add_argument("--root", type=Path, default=default, help="folder of real data")
    parser.add_argument("--out", type=Path, help="file to write the table to as well")
    options = parser.parse_args()
    begin, lines = time.perf_counter(), []
    for name in options.only:
        lines += [cells(name, row) for row in SUITE[name](options.root)]
        print(f"{name}: done after {time.perf_counter() - begin:.0f} s", flush=True)
    table = f"{machine()}\n\n{markdown(HEAD, lines)}\n"
    print(f"\n{table}")
    if options.out:
        options.out.write_text(table, encoding="utf-8")


if __name__ == "__main__":
    main()
