"""Rows read by other processes ahead of their use: the same rows in the same order, and nothing left behind."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.data.ahead import read_each, reading
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.views import Image, Real

CPU = torch.device("cpu")
ROWS = 30


class Pictures(Dataset):
    """Small images made of their number; one of them may be spoilt, and each tells by whom it was made."""

    def __init__(self, spoilt: int | None = None, makers: bool = False, deadly: int | None = None) -> None:
        self.spoilt, self.makers, self.deadly = spoilt, makers, deadly

    def __len__(self) -> int:
        return ROWS

    def __getitem__(self, row: int) -> np.ndarray:
        if row == self.spoilt:
            raise OSError("cannot read the file")
        if row == self.deadly and multiprocessing.parent_process():
            os.kill(os.getpid(), signal.SIGKILL)
        if self.makers:
            return np.full((1, 4, 4), os.getpid() % 251, dtype=np.uint8)
        if row % 7 == 3:
            return np.full((1, 4, 4), np.nan, dtype=np.float32)
        return np.random.default_rng(row).random((1, 4, 4), dtype=np.float32)


@pytest.fixture
def table(tmp_path) -> np.memmap:
    values = np.random.default_rng(0).normal(size=(ROWS, 3))
    values[4] = np.nan
    values[5, 1] = np.nan
    np.save(tmp_path / "table.npy", values)
    return np.load(tmp_path / "table.npy", mmap_mode="r")


MODEL = fv.FAVAE(
    {"image": Image((1, 4, 4), 2, "dense"), "table": Real(3), "held": Real(2)},
    n_factors=2,
)


def given(table) -> dict:
    return {"image": Pictures(), "table": table, "held": np.random.default_rng(1).normal(size=(ROWS, 2))}


def batches(dataset, workers: int) -> list:
    with reading(workers):
        order = torch.Generator().manual_seed(3)
        return [*dataset.in_order(8, CPU), *dataset.shuffled(8, CPU, order)]


def test_batches_are_the_same_to_the_last_bit(table):
    dataset = prepare(MODEL, given(table))
    before = torch.get_rng_state()
    for one, other in zip(batches(dataset, 0), batches(dataset, 2), strict=True):
        assert one.n == other.n
        for name in MODEL.views:
            assert torch.equal(one.data[name], other.data[name])
            assert torch.equal(one.observed[name], other.observed[name])
    assert torch.equal(torch.get_rng_state(), before)
    assert not multiprocessing.active_children()


def test_only_what_streams_is_read_by_others():
    """Each in its own process; rows in memory stay where they are."""
    model = fv.FAVAE({"image": Image((1, 4, 4), 2, "dense")}, n_factors=1)
    dataset = prepare(model, {"image": Pictures(makers=True)})
    for workers, others in ((0, False), (2, True)):
        makers = {float(batch.data["image"][0, 0, 0, 0] * 255) for batch in batches(dataset, workers)}
        assert (round(os.getpid() % 251) not in map(round, makers)) == others
    with reading(2):
        assert not list(read_each(lambda rows: os.getpid(), [], streamed=True, seed=0))
        (said,) = read_each(lambda rows: os.getpid(), [slice(0, 1)], streamed=False, seed=0)
    assert said[1] == os.getpid()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_row_that_cannot_be_read_says_so(workers, table):
    """In the same words, whoever reads it."""
    words = r"view 'image', row 17: its Pictures raised OSError: cannot read the file$"
    with reading(workers), pytest.raises(DataError, match=words):
        prepare(MODEL, given(table) | {"image": Pictures(spoilt=17)})
    assert not multiprocessing.active_children()


def test_a_process_that_is_killed_says_so(table):
    data = given(table) | {"image": Pictures(deadly=5)}
    with pytest.raises(DataError, match="a process that reads rows has ended.*too little memory"), reading(1):
        prepare(MODEL, data)
    assert not multiprocessing.active_children()


def test_leaving_early_ends_the_processes(table):
    dataset = prepare(MODEL, given(table))
    with reading(2):
        unfinished = dataset.in_order(4, CPU)
        next(unfinished)
        assert len(multiprocessing.active_children()) == 2
        unfinished.close()
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", ["two", 1.0, -1, True])
def test_what_is_no_number_of_processes(workers):
    with (
        pytest.raises(SpecError, match="workers is .*, expected a whole number of at least 0"),
        reading(workers),
    ):
        pass


def test_a_fit_is_the_same_to_the_last_bit(table):
    """Learning and reading off, with rows that miss views."""
    options = {"epochs": 1, "seed": 0, "device": "cpu", "progress": False, "batch_size": 8}
    plain, ahead = (fv.fit(MODEL, given(table), workers=workers, **options) for workers in (0, 1))
    for one, other in ((plain.guide, ahead.guide), (plain.model, ahead.model)):
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(a, b)
    with fv.reading(workers=2):
        factors = ahead.transform(given(table))
    np.testing.assert_array_equal(factors.mean, plain.transform(given(table)).mean)


def test_an_interrupted_fit_leaves_no_process_behind(table):
    """Ctrl-C reaches the whole group of processes; what was learnt comes back."""

    def interrupt(record: dict) -> None:
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    options = {"seed": 0, "device": "cpu", "progress": False, "batch_size": 8, "callbacks": [interrupt]}
    fit = fv.fit(MODEL, given(table), epochs=20, workers=1, **options)
    assert fit.ended_by == "interrupted"
    assert not multiprocessing.active_children()
