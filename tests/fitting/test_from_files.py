"""`pyro-favae fit`: files in, a file out."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.cli import main
from pyro_favae.errors import DataError, SpecError
from pyro_favae.fitting.from_files import read_data, read_model

MODEL = fv.FAVAE({"a": fv.views.Real(4), "b": fv.views.Real(3)}, n_factors=2)
ONE = fv.FAVAE({"a": fv.views.Real(4)}, n_factors=2)
OPTIONS = ["--epochs", "6", "--seed", "0", "--device", "cpu"]


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(40, 2))
    return {
        name: shared @ rng.normal(size=(2, d)) + rng.normal(size=(40, d)) for name, d in (("a", 4), ("b", 3))
    }


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "model.json"
    path.write_text(fv.to_json(MODEL), encoding="utf-8")
    return path


@pytest.fixture
def archive(tmp_path) -> Path:
    np.savez(tmp_path / "data.npz", **data())
    return tmp_path / "data.npz"


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    np.save(path / "a.npy", data()["a"])
    pd.DataFrame(data()["b"]).to_csv(path / "b.csv")
    return path


def expected() -> float:
    return fv.fit(MODEL, data(), epochs=6, seed=0, device="cpu", progress=False).elbo


@pytest.mark.parametrize("source", ["archive", "folder"])
def test_a_model_is_fitted_to_files(source, model, request, tmp_path, capsys):
    out = tmp_path / "new" / "fit.favae"
    assert main(["fit", str(model), str(request.getfixturevalue(source)), "--out", str(out), *OPTIONS]) == 0
    assert str(out) in capsys.readouterr().out
    assert fv.load(out).elbo == pytest.approx(expected(), rel=1e-12)


def test_a_run_goes_on(model, archive, tmp_path, capsys):
    keep = ["--checkpoint", str(tmp_path / "run.ckpt"), "--every", "1"]
    call = ["fit", str(model), str(archive), "--out", str(tmp_path / "fit"), *OPTIONS, *keep]
    assert main(call) == 0
    assert main(call) == 1
    assert "resume=True" in capsys.readouterr().err
    assert main([*call, "--resume"]) == 0


def test_a_folder_of_arrays_is_not_read_into_memory(folder):
    assert isinstance(read_data(folder, MODEL)["a"], np.memmap)


def test_a_table_for_one_view(tmp_path):
    pd.DataFrame(data()["a"], index=[f"row{i}" for i in range(40)]).to_csv(tmp_path / "a.csv")
    assert read_data(tmp_path / "a.csv", ONE)["a"].shape == (40, 4)


@pytest.mark.parametrize("name", ["absent.npz", "absent", "absent.csv", "text.npz", "objects.npz", "empty"])
def test_data_that_are_not_such_files_are_named(name, tmp_path):
    (tmp_path / "text.npz").write_text("nothing")
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with pytest.raises(DataError, match=name):
        read_data(tmp_path / name, ONE)


@pytest.mark.parametrize("text", ["{", '{"kind": "nothing"}', "[]"])
def test_a_declaration_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(SpecError):
        read_model(tmp_path / "model.json")


@pytest.mark.slow
def test_torchrun_starts_two_processes(model, archive, tmp_path):
    out, root = tmp_path / "fit.favae", Path(__file__).resolve().parents[2]
    run = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "pyro_favae",
    ]
    done = subprocess.run(
        [*run, "fit", str(model), str(archive), "--out", str(out), *OPTIONS],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("saved to") == 1
    assert fv.load(out).elbo == pytest.approx(expected(), rel=1e-10)
