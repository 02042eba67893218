"""Runs that are stopped and continued: the same bits, and nothing lost but what came after the last checkpoint."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.errors import DataError, LoadError, SaveError, SpecError
from tests.fitting.conftest import same_state

ROWS = 30
IMAGE = fv.views.Image((1, 4, 4), latent_dim=2, network="dense")
OPTIONS = {"seed": 3, "device": "cpu", "progress": False, "batch_size": 8, "tolerance": 1e-12}


class Stopped(Exception):
    """What a test stops a run by, in the place of a power cut."""


def everything() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(ROWS, 2))
    table = shared @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(ROWS, 4))
    gappy = table.copy()
    gappy[rng.random(gappy.shape) < 0.2] = np.nan
    logits = shared @ rng.normal(size=(2, 3))
    return {
        "image": rng.random(size=(ROWS, 1, 4, 4)).astype(np.float32),
        "watched": np.random.default_rng(1).random(size=(ROWS, 1, 4, 4)).astype(np.float32),
        "table": table,
        "gappy": gappy,
        "labels": (logits > rng.logistic(size=logits.shape)).astype(float),
        "class": np.argmax(logits, 1),
    }


VIEWS = {
    "image": IMAGE,
    "watched": replace(IMAGE, objective=fv.objectives.FactorVAE(hidden=(4,), learning_rate=1e-2)),
    "table": fv.views.Real(4),
    "gappy": fv.views.Real(4, weights=fv.priors.FeatureARD()),
    "labels": fv.views.Bernoulli(3),
    "class": fv.views.Categorical(3),
}
RUNS = {
    "joint": (["image", "table"], {"epochs": 5}),
    "joint, labels and entries missing": (["gappy", "image", "labels"], {"epochs": 5}),
    "joint, a discriminator learns beside": (["watched", "table"], {"epochs": 5}),
    "closed form, logistic": (["labels", "gappy", "class"], {"epochs": 9}),
    "closed form, encoded once": (["image", "table"], {"epochs": 5, "schedule": "closed-form"}),
    "alternating": (["image", "table"], {"epochs": 8, "schedule": "alternating"}),
    "aligned": (["image", "table"], {"epochs": 5, "start": "aligned"}),
    "stochastic": (["table", "labels"], {"epochs": 4, "schedule": "stochastic"}),
}


def fitted(run: str, **extra) -> fv.Fit:
    names, options = RUNS[run]
    model = fv.FAVAE({name: VIEWS[name] for name in names}, n_factors=2)
    data = {name: everything()[name] for name in names}
    return fv.fit(model, data, **OPTIONS, **options, **extra)


def assert_same(fit: fv.Fit, other: fv.Fit) -> None:
    for one, two in ((fit.history, other.history), (fit.ended_by, other.ended_by)):
        if isinstance(one, str):
            assert one == two
        else:
            assert one.drop(columns="seconds").equals(two.drop(columns="seconds"))
    assert same_state(fit.model, other.model)
    assert same_state(fit.guide, other.guide)


def stop_at(monkeypatch, moment: int, target: str) -> None:
    """Raise :class:`Stopped` in the n-th call of a method of the run's, before it does anything."""
    owner = {
        "batch": "pyro_favae.inference.minibatches.MinibatchPasses._take",
        "rest": "pyro_favae.inference.rest.RestPoints.__call__",
    }[target]
    from importlib import import_module

    module, kind, name = owner.rsplit(".", 2)
    kind = getattr(import_module(module), kind)
    original, calls = getattr(kind, name), []

    def counted(self, *args, **options):
        calls.append(None)
        if len(calls) == moment:
            raise Stopped
        return original(self, *args, **options)

    monkeypatch.setattr(kind, name, counted)


@pytest.mark.parametrize("run", RUNS)
def test_a_run_stopped_anywhere_goes_on_to_the_same_bits(run, tmp_path, monkeypatch):
    whole = fitted(run)
    path = tmp_path / "run.ckpt"
    for moment in (2, 5, 7):  # each time some rest points further, with the last checkpoint some behind
        with monkeypatch.context() as patch:
            stop_at(patch, moment, "rest")
            with pytest.raises(Stopped):
                fitted(run, checkpoint=path, every=2 if moment == 7 else 1, resume=True)
    assert_same(fitted(run, resume=path), whole)


def test_a_pass_is_left_and_entered_in_its_middle(tmp_path, monkeypatch):
    monkeypatch.setattr("pyro_favae.fitting.checkpoint.Checkpoint.due", lambda *_: True)
    whole, path = fitted("joint"), tmp_path / "run.ckpt"
    for moment in (6, 3, 2):  # four minibatches a pass
        with monkeypatch.context() as patch:
            stop_at(patch, moment, "batch")
            with pytest.raises(Stopped):
                fitted("joint", checkpoint=path, resume=True)
    assert_same(fitted("joint", checkpoint=path, resume=True), whole)


@pytest.mark.parametrize("moment", [15, 17, 42])
def test_blocks_of_sweeps_and_of_networks_are_entered_in_their_middle(moment, tmp_path, monkeypatch):
    monkeypatch.setattr("pyro_favae.fitting.checkpoint.Checkpoint.due", lambda *_: True)
    path = tmp_path / "run.ckpt"
    with monkeypatch.context() as patch:
        stop_at(patch, moment, "rest")
        with pytest.raises(Stopped):
            fitted("alternating", checkpoint=path)
    assert_same(fitted("alternating", resume=path), alternating_run())


@cache
def alternating_run() -> fv.Fit:
    return fitted("alternating")


@pytest.mark.parametrize("run", ["joint", "closed form, logistic"])
def test_a_finished_run_gives_its_fit_again(run, tmp_path):
    path = tmp_path / "run.ckpt"
    whole = fitted(run, checkpoint=path)
    content = path.read_bytes()
    assert_same(fitted(run, resume=path), whole)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["run.ckpt"]


@pytest.mark.parametrize("run", ["joint", "closed form, logistic"])
def test_ctrl_c_keeps_the_run_where_it_was(run, tmp_path):
    def press(record: dict) -> None:
        passes.append(record)
        if len(passes) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    passes, path = [], tmp_path / "run.ckpt"
    part = fitted(run, checkpoint=path, callbacks=[press])
    assert part.ended_by == "interrupted"
    assert len(part.history) == 3
    assert_same(fitted(run, resume=path), fitted(run))


def test_ctrl_c_within_a_sweep_takes_it_back(tmp_path, monkeypatch):
    from pyro_favae.inference.passes import Passes

    original, calls = Passes._batch_statistics, []

    def pressed(self, *args):
        calls.append(None)
        if len(calls) == 8:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args)

    monkeypatch.setattr("pyro_favae.inference.passes.Passes.chunk", 10)  # three a sweep
    whole, path = fitted("closed form, logistic"), tmp_path / "run.ckpt"
    with monkeypatch.context() as patch:
        patch.setattr(Passes, "_batch_statistics", pressed)
        part = fitted("closed form, logistic", checkpoint=path)
    assert part.ended_by == "interrupted"
    assert len(part.history) == 2
    assert_same(fitted("closed form, logistic", resume=path), whole)


def pretrained(**extra) -> fv.Pretrained:
    images = everything()["image"]
    images[::7] = np.nan
    options = {key: value for key, value in OPTIONS.items() if key != "tolerance"}
    return fv.pretrain(IMAGE, images, epochs=4, **options, **extra)


@pytest.mark.parametrize("moment", [2, 7, 16])
def test_pretraining_goes_on_too(moment, tmp_path, monkeypatch):
    whole, path = pretrained(), tmp_path / "vae.ckpt"
    monkeypatch.setattr("pyro_favae.fitting.checkpoint.Checkpoint.due", lambda *_: True)
    with monkeypatch.context() as patch:
        stop_at(patch, moment, "rest")
        with pytest.raises(Stopped):
            pretrained(checkpoint=path)
    again = pretrained(resume=path)
    assert again.history.drop(columns="seconds").equals(whole.history.drop(columns="seconds"))
    assert same_state(again.guide, whole.guide)
    assert same_state(again.guide.model, whole.guide.model)


def test_refining_and_adding_a_view_go_on_too(tmp_path, monkeypatch):
    data = {name: everything()[name] for name in ("table", "image")}
    base = fv.fit(fv.FAVAE({"table": VIEWS["table"]}, n_factors=2), {"table": data["table"]}, **OPTIONS)

    def added(**extra) -> fv.Fit:
        return fv.add_view(base, "image", IMAGE, data, epochs=4, **OPTIONS, **extra)

    def refined(**extra) -> fv.Fit:
        return fv.refine(base, {"table": data["table"]}, epochs=4, **OPTIONS, **extra)

    for task in (added, refined):
        whole, path = task(), tmp_path / task.__name__
        with monkeypatch.context() as patch:
            stop_at(patch, 6, "rest")
            with pytest.raises(Stopped):
                task(checkpoint=path, every=1)
        assert_same(task(resume=path), whole)


def test_the_seed_of_a_continued_run_is_its_own(tmp_path, monkeypatch):
    path, options = tmp_path / "run.ckpt", {**OPTIONS, "seed": None, "epochs": 4}
    model, data = fv.FAVAE({"table": VIEWS["table"]}, n_factors=2), {"table": everything()["table"]}
    whole = fv.fit(model, data, checkpoint=path, **options)
    assert_same(fv.fit(model, data, resume=path, **options), whole)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "run.ckpt"
    fitted("closed form, logistic", checkpoint=path)
    return path


def test_a_fresh_run_does_not_overwrite_a_checkpoint(checkpoint):
    content = checkpoint.read_bytes()
    with pytest.raises(SpecError, match="run.ckpt' already: go on with it by resume=True"):
        fitted("closed form, logistic", checkpoint=checkpoint)
    assert checkpoint.read_bytes() == content


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 10}, SpecError, "settings, epochs: 9 there, 10 here"),
        ({"seed": 4}, SpecError, "settings, seed: 3 there, 4 here"),
        ({"n_factors": 3}, SpecError, "declaration"),
        ({"rows": 29}, DataError, "data, rows: 30 there, 29 here"),
        ({"value": 1.0}, DataError, "data, views, gappy, values"),
    ],
)
def test_another_run_is_refused(checkpoint, change, error, message):
    change = dict(change)
    names, options = RUNS["closed form, logistic"]
    rows = change.pop("rows", ROWS)
    data = {name: everything()[name][:rows] for name in names}
    data["gappy"][0, 0] += change.pop("value", 0.0)
    model = fv.FAVAE({name: VIEWS[name] for name in names}, change.pop("n_factors", 2))
    with pytest.raises(error, match=message) as caught:
        fv.fit(model, data, resume=checkpoint, **(OPTIONS | options | change))
    assert "run.ckpt" in str(caught.value)


def test_other_tasks_and_files_are_refused(checkpoint, tmp_path):
    names, options = RUNS["closed form, logistic"]
    fit = fitted("closed form, logistic", resume=checkpoint)
    with pytest.raises(SpecError, match="task: 'fit' there, 'refine' here"):
        fv.refine(fit, {name: everything()[name] for name in names}, resume=checkpoint)
    with pytest.raises(LoadError, match="fv.fit"):
        fv.load(checkpoint)
    with pytest.raises(LoadError, match="no checkpoint"):
        fitted("joint", resume=tmp_path / "absent")
    fit.save(tmp_path / "fit")
    with pytest.raises(LoadError, match="pyro_favae.fit"):
        fitted("joint", resume=tmp_path / "fit")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(LoadError, match="truncated"):
        fitted("closed form, logistic", resume=checkpoint)


@pytest.mark.parametrize("every", [0, -1, True, 2.5, "often", "-1s", "0s", None])
def test_a_cadence_that_cannot_be_meant(every, tmp_path):
    with pytest.raises(SpecError, match="every is"):
        fitted("joint", checkpoint=tmp_path / "run.ckpt", every=every)


def test_resuming_needs_a_file_and_one_only(tmp_path, checkpoint):
    with pytest.raises(SpecError, match="needs checkpoint="):
        fitted("joint", resume=True)
    with pytest.raises(SpecError, match="besides"):
        fitted("joint", resume=checkpoint, checkpoint=tmp_path / "other")


# disks


@contextmanager
def files_up_to(size: int):
    """No file may grow beyond a size: writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.ckpt"
    with monkeypatch.context() as patch:
        stop_at(patch, 6, "rest")
        with pytest.raises(Stopped):
            fitted("joint", checkpoint=path, every=1)
    content = path.read_bytes()
    with files_up_to(len(content) // 2), pytest.raises(SaveError, match=r"run.ckpt.*as it was") as caught:
        fitted("joint", resume=path)
    assert isinstance(caught.value, OSError)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    assert_same(fitted("joint", resume=path), fitted("joint"))


@pytest.mark.parametrize("folder", ["absent", "file"])
def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_learnt(folder, tmp_path):
    (tmp_path / "file").touch()
    seen = []
    with pytest.raises(SaveError, match=f"{folder}/run.ckpt"):
        fitted("joint", checkpoint=tmp_path / folder / "run.ckpt", callbacks=[seen.append])
    assert not seen


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_an_unwritable_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(SaveError, match="run.ckpt"):
        fitted("joint", checkpoint=tmp_path / "run.ckpt")


def test_random_items_of_a_torch_dataset_do_not_hinder(tmp_path):
    class Noisy(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, row: int) -> torch.Tensor:
            return torch.rand(1, 4, 4)

    path, options = tmp_path / "vae.ckpt", {"epochs": 2, "seed": 0, "progress": False}
    fv.pretrain(IMAGE, Noisy(), checkpoint=path, **options)
    assert len(fv.pretrain(IMAGE, Noisy(), resume=path, **options).history) == 2


@pytest.mark.slow
def test_a_run_killed_twenty_times_comes_to_the_same_end(tmp_path):
    program = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        program,
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    kills, ends = map(int, done.stdout.split())
    assert kills == 20
    assert ends >= 1
