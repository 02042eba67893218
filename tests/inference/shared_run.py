"""What two processes learn together: a program, `shared_run.py FOLDER TASK...`, under torchrun's variables.

Each process saves what came out under its own rank; without those variables there is one.
"""

import os
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

import pyro_favae as fv
from pyro_favae.inference.alone import standard_normal
from pyro_favae.inference.processes import Processes
from pyro_favae.inference.step import NetworkStep, trainable_parameters

ROWS = 91
OPTIONS = {"seed": 0, "device": "cpu", "progress": False, "tolerance": 1e-12, "batch_size": 32}


class Stopped(Exception):
    """In the place of a power cut."""


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(ROWS, 3))
    views = {name: shared @ rng.normal(size=(3, 4)) + 0.3 * rng.normal(size=(ROWS, 4)) for name in "abc"}
    views["b"][rng.random((ROWS, 4)) < 0.2] = np.nan
    views["b"][:30] = np.nan_to_num(views["b"][:30])  # nothing missing among the first process's rows
    views["c"][::5] = np.nan
    pixels = 1 / (1 + np.exp(-shared @ rng.normal(size=(3, 16))))
    views["image"] = pixels.reshape(ROWS, 1, 4, 4).astype(np.float32)
    views["image"][::7] = np.nan
    views["labels"] = (shared[:, :2] > 0).astype(float)
    return views


VIEWS = {
    "a": fv.views.Real(4, standardise="feature"),
    "b": fv.views.Real(4),
    "c": fv.views.Real(4),
    "image": fv.views.Image((1, 4, 4), latent_dim=2, network="dense"),
    "labels": fv.views.Bernoulli(2),
}
IMAGE = VIEWS["image"]
HALVES = {"real": "abc", "image": ["a", "image"]}


def fitted(names, factors=None, **options) -> fv.Fit:
    views = {name: VIEWS[name] for name in names}
    model = fv.FAVAE(views, n_factors=3, **({"factors": factors} if factors else {}))
    return fv.fit(model, {name: data()[name] for name in names}, **OPTIONS, **options)


def save(result: fv.Fit | fv.Pretrained, folder: Path, name: str) -> None:
    result.save(folder / f"{name}.{os.environ.get('RANK', 'alone')}")


def real(folder: Path) -> None:
    save(fitted("abc", epochs=15), folder, "real")
    save(fitted("abc", fv.priors.Mixture(2), epochs=5), folder, "mixture")
    untrained = fv.pretrain(IMAGE, data()["image"], epochs=0, seed=0, device="cpu", progress=False)
    save(fitted(["a", "image"], epochs=15, pretrained={"image": untrained}), folder, "conditioned")


def networks(folder: Path) -> None:
    save(fitted(["a", "image", "labels"], epochs=25), folder, "joint")
    save(fitted("ab", epochs=10, schedule="stochastic"), folder, "stochastic")
    options = {key: value for key, value in OPTIONS.items() if key != "tolerance"}
    pretrained = fv.pretrain(IMAGE, data()["image"], epochs=40, **options)
    save(pretrained, folder, "vae")


def half(folder: Path) -> None:
    """The first part of runs, to be continued by another number of processes."""

    def stop(record: dict) -> None:
        if len(passes) == 4:
            raise Stopped
        passes.append(record)

    for name, names in HALVES.items():
        passes = []
        options = {"checkpoint": folder / f"{name}.by{Processes.present().count}", "every": 1}
        with suppress(Stopped):
            fitted(names, epochs=12, callbacks=[stop], **options)


def rest(folder: Path) -> None:
    """What is left of runs that two processes began, or one."""
    for name, names in HALVES.items():
        begun = folder / f"{name}.by{3 - Processes.present().count}"
        save(fitted(names, epochs=12, resume=begun), folder, f"{name}-rest")


def sums(folder: Path) -> None:
    """What the processes tell one another."""
    processes = Processes.present()
    own = torch.full((2,), 1.0 + processes.rank)
    assert processes.summed([own, own[:1]])[0].tolist() == [3.0, 3.0]
    assert processes.average([([own], 3.0 - 2 * processes.rank), ([own.clone()], 0.0)]) == [4.0, 0.0]
    assert own.tolist() == [1.25, 1.25]
    assert processes.any(processes.rank == 1, False) == [True, False]
    assert processes.first(5 + processes.rank) == 5


def step(folder: Path) -> None:
    """Unequal parts of a batch give the gradients of the whole, where noise and batch moments do not differ."""
    torch.distributions.normal._standard_normal = lambda shape, dtype, device: torch.zeros(
        shape, dtype=dtype, device=device
    )
    processes, gradients = Processes.present(), []
    for shared in (processes, Processes()):
        torch.manual_seed(0)
        _, guide = fv.pyro_pair(fv.FAVAE({"image": IMAGE, "other": IMAGE}, n_factors=1), ROWS)
        pixels = torch.rand(20, 1, 4, 4)
        rows = {"image": pixels, "other": pixels.flip(0)}
        lacking = torch.arange(20) < 13  # the second process has no row with the other view
        own = slice(None) if shared.count == 1 else slice(0, 13) if shared.rank == 0 else slice(13, None)
        data = {name: values[own] for name, values in rows.items()}
        views = guide.eval().view_rows(data, {"other": lacking[own]})
        NetworkStep(guide, list(rows), 1e-3, 10, shared)(data, views, standard_normal)
        gradients.append([p.grad for p in trainable_parameters(guide, list(rows))])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def lost(folder: Path) -> None:
    """The second process ends in the middle of the run."""

    def leave(record: dict) -> None:
        passes.append(record)
        if len(passes) == 3 and dist.get_rank() == 1:
            os._exit(0)

    passes = []
    fitted(["a", "image"], epochs=15, checkpoint=folder / "lost.ckpt", every=1, callbacks=[leave])


TASKS = {
    "step": step,
    "sums": sums,
    "real": real,
    "networks": networks,
    "half": half,
    "rest": rest,
    "lost": lost,
}


def main(folder: Path, tasks: list[str]) -> None:
    torch.set_num_threads(1)
    together = "RANK" in os.environ
    if together:
        dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    for task in tasks:
        TASKS[task](folder)
    if together:
        dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
