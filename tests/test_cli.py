"""The command line, as a user calls it."""

import pytest
from PIL import Image

import pyro_favae as fv
from pyro_favae.cli import main

PICTURES = {
    "bound",
    "weights",
    "variance-explained",
    "sharing",
    "edited",
    "generated",
    "traversal",
    "calibration",
}


@pytest.mark.filterwarnings("default::pyro_favae.diagnostics.SharingWarning")
def test_the_demonstration_measures_draws_and_saves(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo"), "--epochs", "4"]) == 0
    printed = capsys.readouterr().out
    assert "identical predictions" in printed
    assert printed == (tmp_path / "demo" / "summary.txt").read_text(encoding="utf-8")
    for line in ("bound", "factors", "calibration error", "reconstruction", "images from attributes"):
        assert line in printed
    pictures = {path.stem for path in (tmp_path / "demo").glob("*.png")}
    assert pictures == PICTURES
    for path in (tmp_path / "demo").glob("*.png"):
        with Image.open(path) as picture:
            assert min(picture.size) > 150
            low, high = picture.convert("L").getextrema()
            assert high - low > 100
    fit = fv.load(tmp_path / "demo" / "fit.favae")
    assert set(fit.declaration.views) == {"digit", "attributes"}
    assert fit.model.n_rows == 1797 - round(0.2 * 1797)


def test_mnist_needs_a_root(tmp_path, capsys):
    assert main(["demo", "--data", "mnist", "--out", str(tmp_path)]) == 1
    assert "--root" in capsys.readouterr().err


def test_a_root_without_mnist_says_what_to_put_there(tmp_path, capsys):
    assert main(["demo", "--data", "mnist", "--root", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "MNIST/raw" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["demo", "--data", "faces"]])
def test_a_wrong_call_is_a_usage_error(arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
