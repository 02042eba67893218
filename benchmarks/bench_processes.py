"""What processes tell one another and what they gain: bytes and seconds of a pass, 1 and 2 processes, several N.

Each pass of the closed forms ends in one all-reduce of the statistics, whose size is compared with its formula; each
step of networks in one of the gradients. Run it as

    python benchmarks/bench_processes.py [--rows 20000 80000] [--features 100] [--factors 10] [--seeds 0]

Seconds are the median pass's; processes that share cores, caches or memory with others gain less. Bounds are those of
the last pass, in nats a row.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from itertools import product

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

import pyro_favae as fv

PASSES = 8
WARM_UP = 3  # passes that are not timed
PIXELS = 16


def real(rows: int, features: int, factors: int) -> tuple[fv.FAVAE, dict]:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((rows, features))
    values += rng.standard_normal((rows, factors)) @ rng.standard_normal((factors, features))
    return fv.FAVAE({"table": fv.views.Real(features)}, n_factors=factors), {"table": values}


def images(rows: int, features: int, factors: int) -> tuple[fv.FAVAE, dict]:
    model, data = real(rows, features, factors)
    view = fv.views.Image((1, PIXELS, PIXELS), latent_dim=10, network="dense")
    pictures = np.random.default_rng(1).integers(0, 256, (rows, 1, PIXELS, PIXELS), dtype=np.uint8)
    return fv.FAVAE({"image": view, **model.views}, n_factors=factors), {"image": pictures, **data}


PROBLEMS = {"closed form": real, "networks": images}


def statistics_bytes(model: fv.FAVAE) -> int:
    """Of a model of real views without missing entries, and of encoder views: eight for each number."""
    k, size = model.n_factors, model.n_factors + 1
    views = sum(1 + size**2 + view.latent_dim * (size + 1) + 2 for view in model.views.values())
    return 8 * (views + 1 + k + k**2 + 1 + 1 + k + 1)


class Traffic:
    """Sizes of all-reduces in bytes, and when each pass ended."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.passes: list[tuple[float, int]] = []

    def watch(self) -> None:
        original = dist.all_reduce

        def counted(tensor: torch.Tensor, *args, **options):
            self.sizes.append(tensor.numel() * tensor.element_size())
            return original(tensor, *args, **options)

        dist.all_reduce = counted

    def __call__(self, record: dict) -> None:
        if record["stage"] in ("sweep", "train"):
            self.passes.append((time.perf_counter(), len(self.sizes)))


def learn(problem: str, rows: int, features: int, factors: int, seed: int) -> dict:
    """One process's part; returns seconds and traffic of a pass, and the bound."""
    torch.set_num_threads(1)
    traffic = Traffic()
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        traffic.watch()
    model, data = PROBLEMS[problem](rows, features, factors)
    options = {"seed": seed, "progress": False, "tolerance": 1e-15, "device": "cpu", "batch_size": 512}
    fit = fv.fit(model, data, epochs=PASSES, callbacks=[traffic], **options)
    times, counts = (np.array(column) for column in zip(*traffic.passes, strict=True))
    last = traffic.sizes[counts[-2] : counts[-1]]
    flags = [size for size in last if size <= 8]  # whether to stop, and whether to write a checkpoint
    return {
        "seconds": float(np.median(np.diff(times)[WARM_UP - 1 :])),
        "all-reduces": len(last),
        "bytes": sum(last),
        "flags": len(flags),
        "largest": max(last, default=0),
        "formula": statistics_bytes(model),
        "bound": fit.elbo / rows,
    }


def together(count: int, *arguments: str) -> dict:
    """What the first of so many processes measured."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = str(listening.getsockname()[1])
    variables = os.environ | {"OMP_NUM_THREADS": "1"}
    if count > 1:
        variables |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    running = []
    for rank in range(count):
        own = variables | ({"RANK": str(rank)} if count > 1 else {})
        program = [sys.executable, __file__, "--part", *arguments]
        running.append(subprocess.Popen(program, env=own, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in running]
    return json.loads(said[0].splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 80_000])
    parser.add_argument("--features", type=int, default=100)
    parser.add_argument("--factors", type=int, default=10)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--part", nargs=2, metavar=("PROBLEM", "ROWS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = options.features, options.factors
    if options.part:
        problem, rows = options.part
        print(json.dumps(learn(problem, int(rows), *size, options.seeds[0])))
        return
    table = []
    for problem, rows, seed in product(options.problems, options.rows, options.seeds):
        common = [
            problem,
            str(rows),
            "--features",
            str(size[0]),
            "--factors",
            str(size[1]),
            "--seeds",
            str(seed),
        ]
        one, two = together(1, *common), together(2, *common)
        measured = {"1 process, s": one["seconds"], "2 processes, s": two["seconds"]}
        measured |= {"1 process, bound": one["bound"], "2 processes, bound": two["bound"]}
        sent = {name: two[name] for name in ("all-reduces", "flags", "bytes", "largest", "formula")}
        table.append({"problem": problem, "rows": rows, "seed": seed, **measured, **sent})
        print(pd.DataFrame(table).to_string(index=False, float_format="%.3f"), flush=True)


if __name__ == "__main__":
    main()
