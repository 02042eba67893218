import ast
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import pyro_favae as fv
from pyro_favae.errors import LoadError
from pyro_favae.results.integrity import digest


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
    header["sha256"] = digest(header, tensors)  # as one who knows what is checked first
    save_file(tensors, path, header)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, tensors: header.update(version="99"),
        lambda header, tensors: header.update(declaration="{}"),
        lambda header, tensors: header.update(declaration='{"kind": "os.system"}'),
        lambda header, tensors: header.update(history="nonsense"),
        lambda header, tensors: header.update(history="[]"),
        lambda header, tensors: header.update(history="3"),
        lambda header, tensors: header.update(history='{"schema": 1, "data": 2}'),
        lambda header, tensors: header.update(history="[" * 100_000),
        lambda header, tensors: header.update(declaration="[" * 100_000),
        lambda header, tensors: header.update(declaration='{"views": ' * 20_000 + "1" + "}" * 20_000),
        lambda header, tensors: header.update(n_rows="many"),
        lambda header, tensors: header.update(n_rows="-3"),
        lambda header, tensors: header.update(n_rows="9" * 10_000),
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


def test_an_edit_of_the_header_or_of_a_number_is_noticed(saved):
    with safe_open(saved, framework="pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, saved, header | {"n_rows": "501"})
    with pytest.raises(LoadError, match="do not match their digest"):
        fv.load(saved)
    key = next(key for key, value in tensors.items() if value.is_floating_point())
    save_file(tensors | {key: tensors[key] + 1}, saved, header)
    with pytest.raises(LoadError, match="do not match their digest"):
        fv.load(saved)


def test_a_file_of_another_version_says_so(saved):
    _tampered(saved, lambda header, tensors: header.update(version="1"))
    with pytest.raises(LoadError, match="version '1', expected .* version '2'"):
        fv.load(saved)


LARGE = {  # what is declared, and of which size it would take half a gigabyte or more
    "factors": ('"n_factors": 3', '"n_factors": 9000'),
    "columns": ('"dim": 4', '"dim": 20000000'),
    "pixels": ("1,\n        4,", "1,\n        200000,"),
    "latent dimensions": ('"latent_dim": 2', '"latent_dim": 300000'),
}


@pytest.fixture(scope="module")
def small():
    """A fit in a file of a few kilobytes."""
    rng = np.random.default_rng(0)
    data = {"table": rng.normal(size=(30, 4)), "image": rng.random((30, 1, 4, 4))}
    views = {"table": fv.views.Real(4), "image": fv.views.Image((1, 4, 4), 2, "dense")}
    return fv.fit(fv.FAVAE(views, 3), data, epochs=2, seed=0, progress=False, device="cpu")


@pytest.mark.parametrize("what", LARGE)
def test_a_small_file_cannot_ask_for_much_memory(small, tmp_path, what):
    """Of gigabytes that are declared, none is taken."""
    small.save(tmp_path / "fit")

    def change(header, tensors):
        changed = header["declaration"].replace(*LARGE[what])
        assert changed != header["declaration"]
        header["declaration"] = changed

    _tampered(tmp_path / "fit", change)
    with pytest.raises(LoadError, match="declared is"):
        fv.load(tmp_path / "fit")


def test_damage_anywhere_is_refused(tmp_path):
    """Bits flipped and ends cut off at random: an error of this library, or nothing has changed."""
    rng = np.random.default_rng(0)
    data = {"x": rng.normal(size=(20, 3)), "y": rng.integers(0, 2, (20, 2)).astype(float)}
    model = fv.FAVAE({"x": fv.views.Real(3), "y": fv.views.Bernoulli(2)}, 2, factors=fv.priors.Mixture(3))
    fit = fv.fit(model, data, epochs=3, seed=0, progress=False, device="cpu")
    path = tmp_path / "fit"
    fit.save(path)
    content = path.read_bytes()
    expected = fit.guide.state_dict()
    survived = 0
    for i in range(400):
        damaged = bytearray(content)
        if i % 4 == 0:
            damaged = damaged[: rng.integers(len(content))]
        else:
            for position in rng.integers(len(content), size=1 + i % 3):
                damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            loaded = fv.load(path)
        except LoadError:
            continue
        survived += 1
        assert loaded.declaration == fit.declaration
        pd.testing.assert_frame_equal(loaded.history, fit.history)
        assert all(torch.equal(value, expected[name]) for name, value in loaded.guide.state_dict().items())
    assert survived < 20


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_fit_is_loaded_on_another_device(digits, saved):
    loaded = fv.load(saved, device="cuda")
    assert loaded.guide.device.type == "cuda"
    given = {"digit": digits.images[:20]}
    np.testing.assert_allclose(
        loaded.predict("attributes", given).mean, digits.fit.predict("attributes", given).mean, atol=1e-4
    )
    loaded.save(saved)
    assert fv.load(saved).guide.device.type == "cpu"


PACKAGE = Path(fv.__file__).parent
PICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


def test_no_module_reads_or_writes_pickles():
    """But for those that read other people's data sets, which may come as such."""
    for path in PACKAGE.rglob("*.py"):
        if (PACKAGE / "datasets") in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.split(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").split(".")[0]]
            assert not PICKLERS & set(names), path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, path
                assert "pickle" not in node.attr, path
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", path
