import json
import struct

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import pyro_favae as fv
from pyro_favae.errors import LoadError


@pytest.fixture
def saved(digits, tmp_path):
    path = tmp_path / "digits.favae"
    digits.fit.save(path)
    return path


def test_a_loaded_fit_predicts_the_same_to_the_last_bit(digits, saved):
    loaded = fv.load(saved)
    given = {"digit": digits.images}
    before, after = digits.fit.predict("attributes", given), loaded.predict("attributes", given)
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.sd, after.sd)
    drawn = [
        f.generate("digit", {"attributes": digits.attributes[:3]}, n=2, seed=0) for f in (digits.fit, loaded)
    ]
    np.testing.assert_array_equal(*drawn)
    assert loaded.declaration == digits.fit.declaration
    assert loaded.elbo == digits.fit.elbo
    assert loaded.ended_by == digits.fit.ended_by
    pd.testing.assert_frame_equal(loaded.history, digits.fit.history)


def test_units_survive(linear, tmp_path):
    linear.fit.save(tmp_path / "linear")
    loaded = fv.load(tmp_path / "linear")
    np.testing.assert_array_equal(loaded.weights("table"), linear.fit.weights("table"))


def test_a_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in (0, 5, 100, len(content) // 2, len(content) - 1):
        saved.write_bytes(content[:length])
        with pytest.raises(LoadError):
            fv.load(saved)


def test_foreign_files_are_refused(tmp_path):
    foreign = tmp_path / "foreign"
    with pytest.raises(LoadError, match="no file"):
        fv.load(foreign)
    foreign.write_text("not a fit")
    with pytest.raises(LoadError, match="not a saved fit"):
        fv.load(foreign)
    save_file({}, foreign)
    with pytest.raises(LoadError, match="expected 'pyro_favae.fit'"):
        fv.load(foreign)


def _tampered(path, change):
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(header, tensors)
    save_file(tensors, path, header)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, tensors: header.update(version="99"),
        lambda header, tensors: header.update(declaration="{}"),
        lambda header, tensors: header.update(declaration='{"kind": "os.system"}'),
        lambda header, tensors: header.update(history="nonsense"),
        lambda header, tensors: header.update(n_rows="many"),
        lambda header, tensors: header.pop("ended_by"),
        lambda header, tensors: tensors.pop(next(iter(tensors))),
        lambda header, tensors: tensors.update(extra=next(iter(tensors.values())).clone()),
        lambda header, tensors: tensors.update({k: v.half() for k, v in tensors.items()}),
        lambda header, tensors: tensors.update(
            {k: v[:1].clone() for k, v in tensors.items() if v.dim() == 2}
        ),
    ],
)
def test_tampered_files_are_refused(saved, change):
    _tampered(saved, change)
    with pytest.raises(LoadError):
        fv.load(saved)


def test_a_header_that_lies_about_its_length_is_refused(saved):
    content = saved.read_bytes()
    saved.write_bytes(struct.pack("<Q", 2**60) + content[8:])
    with pytest.raises(LoadError):
        fv.load(saved)


def test_a_failed_write_leaves_the_old_file(digits, saved, monkeypatch):
    content = saved.read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("pyro_favae.results.storage.save_file", full)
    with pytest.raises(OSError, match="No space"):
        digits.fit.save(saved)
    assert saved.read_bytes() == content
    assert list(saved.parent.iterdir()) == [saved]


@pytest.fixture
def networks(monkeypatch):
    """Registered networks, for the time of a test."""
    monkeypatch.setattr(fv.networks, "NETWORKS", dict(fv.networks.NETWORKS))
    return fv.networks


def _with_own_network(networks, path):
    networks.register("mine", nn.Linear(4, 4), nn.Linear(2, 4))
    model = fv.FAVAE({"x": fv.views.VAE((4,), 2, "mine")}, 2)
    data = {"x": np.random.default_rng(0).normal(size=(30, 4))}
    fit = fv.fit(model, data, epochs=1, seed=0, progress=False, device="cpu")
    fit.save(path)
    return fit, data


def test_a_network_of_ones_own_is_registered_before_loading(networks, tmp_path):
    fit, data = _with_own_network(networks, tmp_path / "fit")
    del networks.NETWORKS["mine"]
    with pytest.raises(
        LoadError, match=r"unknown network 'mine'.*register.* first: fv.networks.register\('mine'"
    ):
        fv.load(tmp_path / "fit")
    networks.register("mine", nn.Linear(4, 4), nn.Linear(2, 4))  # fresh weights: the file's are read
    loaded = fv.load(tmp_path / "fit")
    np.testing.assert_array_equal(loaded.transform(data).mean, fit.transform(data).mean)


def test_a_network_registered_with_other_layers_is_refused(networks, tmp_path):
    _with_own_network(networks, tmp_path / "fit")
    networks.register("mine", nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4)), nn.Linear(2, 4))
    with pytest.raises(LoadError, match="encoder"):
        fv.load(tmp_path / "fit")
    networks.register("mine", nn.Linear(4, 6), nn.Linear(3, 4))
    with pytest.raises(LoadError, match=r"network 'mine' does not fit data \(rows, 4\) and latent_dim=2"):
        fv.load(tmp_path / "fit")


def test_nothing_is_pickled(saved):
    content = saved.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert header["__metadata__"]["format"] == "pyro_favae.fit"
    assert fv.from_json(header["__metadata__"]["declaration"])
