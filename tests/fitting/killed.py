"""Kills a run at random moments and starts it again, until it was killed often enough and has then come to its end.

A program of its own, because it forks: a process that has imported everything is ready to learn in no time.
Prints the number of kills and of runs that were seen through, or fails where one of them ended up elsewhere.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import pyro_favae as fv

KILLS = 20
LONGEST = 0.4  # seconds before a kill


def learn(path: Path, **options) -> None:
    rng = np.random.default_rng(0)
    data = {
        "image": rng.random(size=(48, 1, 4, 4)).astype(np.float32),
        "table": rng.normal(size=(48, 4)),
        "labels": rng.integers(0, 2, size=(48, 2)).astype(float),
    }
    views = {
        "image": fv.views.Image((1, 4, 4), latent_dim=2, network="dense"),
        "table": fv.views.Real(4),
        "labels": fv.views.Bernoulli(2),
    }
    model = fv.FAVAE(views, n_factors=2)
    settings = {"seed": 0, "device": "cpu", "batch_size": 16, "tolerance": 1e-15, "progress": False}
    fit = fv.fit(model, data, epochs=80, **settings, **options)
    fit.save(path)


def forked(path: Path, **options) -> int:
    child = os.fork()
    if child:
        return child
    try:
        learn(path, **options)
    except BaseException as error:  # the child must not go on as its parent would
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def killed(path: Path, checkpoint: Path, after: float) -> bool:
    """Whether a run that goes on with the checkpoint was killed before its end."""
    child = forked(path, checkpoint=checkpoint, every=1, resume=True)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "a run could not go on"
    return False


def same(path: Path, other: Path) -> bool:
    one, two = load_file(path), load_file(other)
    if fv.load(path).elbo != fv.load(other).elbo:
        return False
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def main(folder: Path) -> None:
    whole, path = folder / "whole.favae", folder / "killed.favae"
    assert os.waitpid(forked(whole), 0)[1] == 0
    moments, kills, ends = random.Random(0), 0, 0
    while kills < KILLS:
        if killed(path, folder / f"{ends}.ckpt", moments.uniform(0.0, LONGEST)):
            kills += 1
        else:
            assert same(path, whole), "a killed run came to another end"
            ends += 1
    assert os.waitpid(forked(path, checkpoint=folder / f"{ends}.ckpt", resume=True), 0)[1] == 0
    assert same(path, whole), "a killed run came to another end"
    print(kills, ends + 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
