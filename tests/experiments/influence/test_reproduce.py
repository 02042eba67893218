"""The experiments as a user starts them, on tiny data of the official layouts."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pyro_favae.cli import main
from pyro_favae.experiments.influence import celeba, eeg, mnist


def hasten(module, monkeypatch, **changes):
    monkeypatch.setitem(module.SCHEDULES, "small", replace(module.SCHEDULES["small"], epochs=1, **changes))


def reproduce(name, root, out, capsys):
    assert main(["reproduce", name, "--root", str(root), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == (out / "table.md").read_text(encoding="utf-8").strip()
    return printed, json.loads((out / "numbers.json").read_text()), {path.stem for path in out.glob("*.png")}


def test_mnist(mnist_root, tmp_path, monkeypatch, capsys):
    hasten(mnist, monkeypatch, classifier_epochs=2)
    table, numbers, figures = reproduce("influence-mnist", mnist_root, tmp_path / "out", capsys)
    assert figures == {"indicator", "traversal", "generation", "reconstructions", "classification"}
    assert "β = 2" in table
    assert "| 10 | 13 |" in table
    assert "24.3 | 5.6 |" in table  # the paper's
    assert len(numbers["factors"]["nats"]) == 128
    assert numbers["generation"]["nats"][0] == pytest.approx(sum(numbers["factors"]["nats"]))
    assert numbers["classification"]["share"][-1] == 0


def test_celeba(tmp_path, monkeypatch, capsys, rng):
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(48)]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (80, 66, 3), dtype=np.uint8)).save(folder / name)
    lines = ["48", "Smiling Male", *(f"{name} 1 -1" for name in names)]
    (tmp_path / "celeba" / "list_attr_celeba.txt").write_text("\n".join(lines))
    hasten(celeba, monkeypatch)
    table, numbers, figures = reproduce("influence-celeba", tmp_path, tmp_path / "out", capsys)
    assert figures == {"indicator", "traversal", "generation", "reconstructions"}
    assert "42 images" in table
    assert "of the variance of pixels" in table
    assert numbers["explained"] < 0.1  # nothing of unseen noise can be
    assert "paper" not in table  # of CelebA it prints no table


def test_eeg_of_recordings(tmp_path, monkeypatch, capsys, rng):
    (tmp_path / "eeg").mkdir()
    names = np.array(["Fp1", "Fp2", "T7", "Cz", "T8", "O1", "O2"])
    np.savez(
        tmp_path / "eeg" / "eeg_eye_state_14ch_128hz.npz",
        data=rng.normal(size=(30 * 128, 7)),
        sfreq=128,
        ch_names=names,
        eye_closed=np.arange(30 * 128) // 256 % 2,
    )
    hasten(eeg, monkeypatch, classifier_epochs=1)
    table, numbers, figures = reproduce("influence-eeg", tmp_path, tmp_path / "out", capsys)
    assert {name.rsplit("-")[-1] for name in figures} == {"indicator", "generation", "maps"}
    assert "β = 6" in table
    assert "nothing of the paper's Table 3" in table
    assert list(numbers) == ["eeg_eye_state_14ch_128hz"]


def test_eeg_of_deap(tmp_path, monkeypatch, capsys, rng):
    (tmp_path / "deap").mkdir()
    ratings = np.tile([[7.0, 7, 5, 5], [2, 2, 5, 5]], (5, 1))
    savemat(tmp_path / "deap" / "s01.mat", {"data": rng.normal(size=(10, 40, 8064)), "labels": ratings})
    hasten(eeg, monkeypatch, classifier_epochs=1)
    table, numbers, _ = reproduce("influence-eeg", tmp_path, tmp_path / "out", capsys)
    assert "504 frames" in table
    assert "on 1 sequences of 63 frames" in table
    assert "53.8 | 0.53 |" in table  # the paper's
    assert "say nothing" not in table
    assert list(numbers) == ["DEAP"]


def test_eeg_that_is_not_there(tmp_path, capsys):
    assert main(["reproduce", "influence-eeg", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "expected DEAP's preprocessed s01.mat" in capsys.readouterr().err
