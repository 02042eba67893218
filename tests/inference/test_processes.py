"""Several processes learn what one learns."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.errors import DataError
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.processes import Processes
from tests.inference import shared_run

SPREAD = (
    110.0  # nats: the standard deviation from seed to seed of one process's bound with networks this young
)
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def two_processes(folder: Path, *tasks: str) -> list[tuple[int, str]]:
    """Exit status and standard error of each."""
    variables = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    variables |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    program = [sys.executable, shared_run.__file__, str(folder), *tasks]
    running = [
        subprocess.Popen(
            program,
            env=os.environ | variables | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=200)[1] for process in running]
    finally:
        for process in running:
            process.kill()
    return [(process.returncode, error) for process, error in zip(running, errors, strict=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What one process learnt, and two."""
    path = tmp_path_factory.mktemp("processes")
    shared_run.main(path, ["half"])
    for status, error in two_processes(path, "sums", "real", "networks", "half", "rest", "step"):
        assert status == 0, error
    shared_run.main(path, ["real", "networks", "rest"])
    return path


def learnt(folder: Path, name: str) -> list[fv.Fit]:
    """By one process, by the first of two, by the second."""
    return [fv.load(folder / f"{name}.{rank}") for rank in ("alone", 0, 1)]


def assert_same_bits(fit: fv.Fit, other: fv.Fit) -> None:
    states = [{**result.guide.state_dict(), **result.model.state_dict()} for result in (fit, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["real", "mixture"])
def test_real_valued_models_come_out_the_same(folder, name):
    """With rows, entries and units unequally shared."""
    alone, first, second = learnt(folder, name)
    np.testing.assert_allclose(first.history["elbo"], alone.history["elbo"], rtol=1e-10)
    one, two = alone.guide.state_dict(), first.guide.state_dict()
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-8, atol=1e-8)
    assert_same_bits(first, second)


@pytest.mark.slow
def test_all_but_the_draws_comes_out_the_same_beside_networks_left_as_they_are(folder):
    """The likelihood behind a decoder is that of one draw of each row's latents, and draws are each process's own."""
    alone, first, second = learnt(folder, "conditioned")
    one, two = (fit.history["elbo"] - fit.history["image.likelihood"] for fit in (alone, first))
    np.testing.assert_allclose(two, one, rtol=1e-10)
    for key, value in alone.guide.state_dict().items():
        torch.testing.assert_close(first.guide.state_dict()[key], value, rtol=1e-8, atol=1e-8)
    assert_same_bits(first, second)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tolerance"), [("joint", SPREAD), ("stochastic", 3.0)])
def test_bounds_agree_where_rows_come_in_random_order(folder, name, tolerance):
    alone, first, second = learnt(folder, name)
    assert first.elbo == pytest.approx(alone.elbo, abs=tolerance)
    assert_same_bits(first, second)


@pytest.mark.slow
def test_a_view_is_pretrained_together(folder):
    alone, first, second = (fv.load_pretrained(folder / f"vae.{rank}") for rank in ("alone", 0, 1))
    assert first.history["elbo"].iloc[-1] == pytest.approx(alone.history["elbo"].iloc[-1], abs=SPREAD)
    states = [result.guide.state_dict() for result in (first, second)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.slow
def test_another_number_of_processes_goes_on(folder):
    """Two with what one began, and one with what two began."""
    for fit, other in zip(learnt(folder, "real-rest"), learnt(folder, "real"), strict=True):
        assert len(fit.history) == 12
        np.testing.assert_allclose(fit.history["elbo"], other.history["elbo"][:12], rtol=1e-10)
    alone, first, second = learnt(folder, "image-rest")
    assert first.elbo == pytest.approx(alone.elbo, abs=SPREAD)
    assert_same_bits(first, second)


@pytest.mark.slow
def test_a_lost_process_ends_the_others_with_a_clear_error(tmp_path):
    (status, error), (left, _) = two_processes(tmp_path, "lost")
    assert left == 0  # it went without a word
    assert status != 0
    assert "ProcessError: process 0 of 2 cannot reach the others" in error
    options = {"epochs": 15, "resume": tmp_path / "lost.ckpt"}
    assert np.isfinite(shared_run.fitted(["a", "image"], **options).elbo)


@pytest.mark.parametrize(("rows", "count"), [(10, 3), (7, 7), (5, 1), (1000, 16)])
def test_every_row_has_one_process(rows, count):
    processes = [Processes(rank, count) for rank in range(count)]
    taken = [row for process in processes for row in range(rows)[process.share(rows)]]
    assert taken == list(range(rows))
    assert processes[0].shares(rows) == [len(range(rows)[process.share(rows)]) for process in processes]
    assert max(processes[0].shares(rows)) - min(processes[0].shares(rows)) <= 1


def test_a_part_of_a_data_set_holds_its_rows():
    table = np.arange(20.0).reshape(10, 2)
    table[3] = np.nan
    model = fv.FAVAE({"a": fv.views.Real(2)}, n_factors=1)
    part = prepare(model, {"a": table}).part(slice(2, 6))
    assert len(part) == 4
    batch = part.batch(slice(0, 10), torch.device("cpu"))
    np.testing.assert_array_equal(batch.data["a"].numpy(), np.nan_to_num(table[2:6]))
    assert batch.observed["a"][:, 0].tolist() == [True, False, True, True]
    batch = part.batch(torch.tensor([3, 0]), torch.device("cpu"))
    np.testing.assert_array_equal(batch.data["a"].numpy(), table[[5, 2]])


def test_more_processes_than_rows():
    model = fv.FAVAE({"a": fv.views.Real(2)}, n_factors=1)
    dataset = prepare(model, {"a": np.zeros((3, 2))})
    _, guide = fv.pyro_pair(model, 3)
    with pytest.raises(DataError, match="3 rows for 4 processes"):
        Passes(guide, dataset, 2, DeferredInterrupt(), Processes(0, 4))
