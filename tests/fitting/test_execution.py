"""Networks in bfloat16 and compiled: what changes, what does not, and what is refused."""

import os
import shutil

import numpy as np
import pytest
import torch
from torch import nn

import pyro_favae as fv
from pyro_favae.errors import SpecError
from pyro_favae.models import execution
from pyro_favae.models.execution import Execution
from tests.fitting.conftest import same_state

CPU = torch.device("cpu")
OPTIONS = {"seed": 0, "device": "cpu", "progress": False, "batch_size": 64, "tolerance": 1e-12}
IMAGE = fv.views.Image((1, 8, 8), latent_dim=4, network="dense")
MODEL = fv.FAVAE({"image": IMAGE, "class": fv.views.Real(10)}, n_factors=4)


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    loaded = fv.datasets.load_digits()
    return {"image": loaded.images[:300], "class": np.eye(10)[loaded.labels[:300]]}


def error_of(fit: fv.Fit, data: dict) -> float:
    """Root mean squared error of reconstructions."""
    return float(np.sqrt(np.mean((fit.reconstruct("image", data["image"]) - data["image"]) ** 2)))


def test_in_bfloat16_the_fit_is_nearly_that_of_full_precision(digits):
    """On digits: the bound within 1 %, reconstructions within 5 %; all that is kept is as wide as ever."""
    full, mixed = (
        fv.fit(MODEL, digits, epochs=10, precision=precision, **OPTIONS) for precision in ("full", "bfloat16")
    )
    bounds = [fit.history["elbo"].iloc[-1] for fit in (full, mixed)]
    assert bounds[0] != bounds[1]
    assert bounds[1] == pytest.approx(bounds[0], rel=1e-2)
    assert error_of(mixed, digits) == pytest.approx(error_of(full, digits), rel=0.05)
    for value, other in zip(full.guide.state_dict().values(), mixed.guide.state_dict().values(), strict=True):
        assert value.dtype == other.dtype
    assert {value.dtype for value in mixed.posterior.state_dict().values()} == {torch.float64}


def test_networks_alone_are_narrow():
    """Between the encoder's and the decoder's layers bfloat16, before and after them float32."""
    seen = []
    for module in (network := nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))):
        module.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with Execution("bfloat16", False, CPU).running():
        output = execution.run(network, torch.ones(5, 4))
        pair = execution.run(Pair(), torch.ones(5, 4))
    assert set(seen) == {torch.bfloat16}
    assert output.dtype == torch.float32
    assert [part.dtype for part in pair] == [torch.float32] * 2
    output.sum().backward()
    assert {parameter.grad.dtype for parameter in network.parameters()} == {torch.float32}
    assert execution.run(network, torch.ones(5, 4)).dtype == torch.float32
    assert seen[-1] == torch.float32


class Pair(nn.Module):
    """Means and log variances as a tuple."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, values):
        return self.layer(values), self.layer(values)


def test_pretraining_in_bfloat16(digits):
    full, mixed = (
        fv.pretrain(
            IMAGE, digits["image"], epochs=5, seed=0, device="cpu", progress=False, precision=precision
        )
        for precision in ("full", "bfloat16")
    )
    assert mixed.history["elbo"].iloc[-1] == pytest.approx(full.history["elbo"].iloc[-1], rel=2e-2)


def test_a_run_in_bfloat16_goes_on_to_the_last_bit_and_in_that_precision_alone(digits, tmp_path):
    options = OPTIONS | {"epochs": 4, "precision": "bfloat16"}
    whole = fv.fit(MODEL, digits, **options)
    path = tmp_path / "run.ckpt"
    stop = options | {"callbacks": [interrupt_at(2)]}
    with pytest.raises(InterruptedError):
        fv.fit(MODEL, digits, checkpoint=path, every=1, **stop)
    with pytest.raises(SpecError, match="precision.*'bfloat16' there, 'full' here"):
        fv.fit(MODEL, digits, resume=path, **options | {"precision": "full"})
    assert_same(whole, fv.fit(MODEL, digits, resume=path, **options))


def assert_same(first: fv.Fit, second: fv.Fit) -> None:
    assert same_state(first.guide, second.guide)
    assert same_state(first.model, second.model)


def interrupt_at(passes: int):
    seen = []

    def stop(record: dict) -> None:
        seen.append(record)
        if len(seen) > passes:
            raise InterruptedError

    return stop


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float8"}, "precision is 'float8', expected one of full, bfloat16"),
        ({"precision": torch.bfloat16}, "precision is torch.bfloat16, expected one of"),
        ({"compile": "yes"}, "compile is 'yes', expected True or False"),
        ({"workers": -1}, "workers is -1, expected a whole number of at least 0"),
        ({"workers": 1.5}, "workers is 1.5, expected a whole number"),
    ],
)
def test_what_cannot_be_meant(options, message, digits):
    with pytest.raises(SpecError, match=message):
        fv.fit(MODEL, digits, **OPTIONS | options)
    with pytest.raises(SpecError, match=message):
        fv.pretrain(IMAGE, digits["image"], device="cpu", progress=False, **options)


def test_networks_in_double_precision_are_not_narrowed():
    narrow = Execution("bfloat16", False, CPU)
    with pytest.raises(SpecError, match="a Linear computes in float64, expected float32"), narrow.running():
        execution.run(nn.Linear(2, 2).double(), torch.ones(1, 2, dtype=torch.float64))


def test_without_a_compiler_it_says_so(digits, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(SpecError, match=r"compile=True needs a C\+\+ compiler .*g\+\+.*, which is not here"):
        fv.fit(MODEL, digits, compile=True, **OPTIONS)


def test_a_network_that_does_not_compile_says_so(monkeypatch):
    monkeypatch.setattr(execution, "_require_compiler", lambda device: None)

    def broken(network):
        def call(inputs):
            raise torch._dynamo.exc.TorchDynamoException("no such operation\nat length")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    compiled = Execution("full", True, CPU)
    with (
        pytest.raises(SpecError, match="a Linear cannot be compiled: no such operation; use"),
        compiled.running(),
    ):
        execution.run(nn.Linear(2, 2), torch.ones(1, 2))


def test_each_network_is_compiled_once_and_saved_as_it_is(digits, monkeypatch, tmp_path):
    """With a stand-in for the compiler, which leaves numbers as they are."""
    monkeypatch.setattr(execution, "_require_compiler", lambda device: None)
    made = []

    def compile_(network):
        made.append(network)
        return lambda inputs: network(inputs)

    monkeypatch.setattr(torch, "compile", compile_)
    plain = fv.fit(MODEL, digits, epochs=3, **OPTIONS)
    assert not made
    compiled = fv.fit(MODEL, digits, epochs=3, compile=True, **OPTIONS)
    assert len(made) == 2  # the encoder and the decoder
    assert_same(plain, compiled)
    compiled.save(tmp_path / "fit.favae")
    assert_same(compiled, fv.load(tmp_path / "fit.favae"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_compiled_network_gives_the_same_and_the_same_gradients():
    if not any(map(shutil.which, [os.environ.get("CXX", "g++"), "clang++"])):
        pytest.skip("no C++ compiler here (g++, clang++), which torch.compile needs")
    torch.manual_seed(0)
    network, inputs, given = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), torch.randn(5, 4), []
    for compile in (False, True):
        network.zero_grad()
        with Execution("full", compile, CPU).running():
            output = execution.run(network, inputs)
        output.square().sum().backward()
        given.append([output.detach(), *(parameter.grad.clone() for parameter in network.parameters())])
    for plain, compiled in zip(*given, strict=True):
        torch.testing.assert_close(compiled, plain)
