"""One model, several ways to learn it: at once or streamed, in chunks of any size, from minibatches, on a GPU."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.inference.passes import Passes


@cache
def simulated(n: int) -> dict[str, np.ndarray]:
    """Three views of four factors, whole: real numbers, binary and one of three classes."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(n, 4))
    logits = 1.5 * factors @ rng.normal(size=(4, 8))
    return {
        "x": factors @ rng.normal(size=(4, 20)) + rng.normal(size=(n, 20)),
        "b": (logits + rng.logistic(size=logits.shape) > 0).astype(float),
        "c": (2 * factors[:, :3] + rng.gumbel(size=(n, 3))).argmax(1).astype(float),
    }


def with_gaps(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A tenth of the rows gone from each view, and of the entries of tables."""
    rng = np.random.default_rng(1)
    gappy = {name: values.copy() for name, values in data.items()}
    for values in gappy.values():
        values[rng.random(len(values)) < 0.1] = np.nan
        if values.ndim > 1:
            values[rng.random(values.shape) < 0.1] = np.nan
    return gappy


def rows(n: int, *names: str) -> dict[str, np.ndarray]:
    return {name: simulated(n)[name] for name in names}


def fit(data: dict, *, n_factors: int = 6, epochs: int = 8, device: str = "cpu", **options) -> fv.Fit:
    kinds = {"x": fv.views.Real(20), "b": fv.views.Bernoulli(8), "c": fv.views.Categorical(3)}
    model = fv.FAVAE({name: kinds[name] for name in data}, n_factors)
    return fv.fit(model, data, epochs=epochs, seed=0, progress=False, device=device, **options)


def assert_identical(first: fv.Fit, second: fv.Fit) -> None:
    """To the last bit."""
    same = [column for column in first.history if column != "seconds"]
    assert first.history[same].equals(second.history[same])
    after = second.guide.state_dict()
    for name, value in first.guide.state_dict().items():
        assert torch.equal(value, after[name]), name
    for before, now in zip(first.model.buffers(), second.model.buffers(), strict=True):
        assert torch.equal(before, now)


def on_disk(data: dict[str, np.ndarray], folder: Path) -> dict[str, np.memmap]:
    """The same arrays, memory-mapped."""
    for name, values in data.items():
        np.save(folder / f"{name}.npy", values)
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in data}


# streaming


@pytest.mark.parametrize("schedule", ["joint", "stochastic"])
def test_streaming_from_disk_is_the_same_as_learning_from_memory(tmp_path, schedule):
    data = with_gaps(rows(600, "x", "b"))
    options = {"schedule": schedule, "batch_size": 100}
    assert_identical(fit(data, **options), fit(on_disk(data, tmp_path), **options))


def test_streaming_classes_and_bytes(tmp_path):
    data = rows(600, "b", "c")
    small = {name: values.astype(np.uint8) for name, values in data.items()}
    assert_identical(fit(data), fit(on_disk(small, tmp_path)))


def test_predictions_from_disk_are_the_same(tmp_path):
    data = with_gaps(rows(600, "x", "b"))
    learnt, mapped = fit(data), on_disk(data, tmp_path)
    for name, other in (("x", "b"), ("b", "x")):
        here, there = (learnt.predict(name, {other: source[other]}) for source in (data, mapped))
        np.testing.assert_array_equal(here.mean, there.mean)
    here, there = learnt.impute(data), learnt.impute(mapped)
    for name in data:
        np.testing.assert_array_equal(here[name], there[name])


# chunks


def in_chunks(monkeypatch, size: int, data: dict, **options) -> fv.Fit:
    with monkeypatch.context() as patch:
        patch.setattr(Passes, "chunk", size)
        return fit(data, **options)


@pytest.mark.parametrize("size", [1, 37, 599])
def test_the_size_of_chunks_does_not_matter(monkeypatch, size):
    data = with_gaps(rows(600, "x"))
    whole, parts = (in_chunks(monkeypatch, n, data, epochs=4) for n in (600, size))
    np.testing.assert_allclose(parts.history["elbo"], whole.history["elbo"], rtol=1e-9)
    predicted = [run.predict("x", data).mean for run in (whole, parts)]
    np.testing.assert_allclose(*predicted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [37, 599])
def test_nor_does_it_for_logits_whose_bound_is_tight(monkeypatch, size):
    """How far it is tightened depends on the worst row of a chunk, so here it is all the way."""
    monkeypatch.setattr("pyro_favae.inference.passes.LEARNING_TOLERANCE", 1e-13)
    data = with_gaps(rows(600, "x", "b", "c"))
    whole, parts = (in_chunks(monkeypatch, n, data, epochs=3) for n in (600, size))
    np.testing.assert_allclose(parts.history["elbo"], whole.history["elbo"], rtol=1e-9)


def test_nor_does_it_at_the_end(monkeypatch):
    data = with_gaps(rows(600, "x", "b"))
    options = {"epochs": 100, "tolerance": 1e-10}
    whole, parts = (in_chunks(monkeypatch, n, data, **options) for n in (600, 37))
    assert whole.ended_by == parts.ended_by == "tolerance"
    assert parts.elbo == pytest.approx(whole.elbo, rel=1e-9)


def test_closed_forms_do_not_depend_on_the_size_of_minibatches():
    data = with_gaps(rows(600, "x", "b"))
    assert_identical(fit(data, batch_size=50), fit(data, batch_size=500))


# stochastic updates

TRAIN, TEST = 5_000, 1_000


def without_factors(data: dict) -> float:
    """The bound of a model whose weights are held at nothing."""
    kinds = {"x": fv.views.Real(20), "b": fv.views.Bernoulli(8)}
    model = fv.FAVAE({name: kinds[name] for name in data}, 1, weights=fv.priors.ARD(1e8, 1.0))
    return fv.fit(model, data, epochs=50, seed=0, progress=False, device="cpu").elbo


@pytest.mark.parametrize("start", ["pca", "random"])
@pytest.mark.parametrize(
    ("views", "loss"), [(["x"], 1e-3), (["x", "b"], 5e-3)], ids=["real", "real and binary"]
)
def test_three_passes_of_minibatches_come_close_to_the_full_batch(views, loss, start):
    """In the bound, next to what factors are worth; the noise of logits creeps, so there it is further off."""
    data = {name: values[:TRAIN] for name, values in with_gaps(rows(TRAIN + TEST, *views)).items()}
    full = fit(data, epochs=100, tolerance=1e-7, start=start)
    quick = fit(data, epochs=3, schedule="stochastic", start=start)
    assert len(quick.history) == 4  # the last of them exact
    assert full.elbo - quick.elbo < loss * (full.elbo - without_factors(data))


def test_and_in_what_they_predict():
    data = rows(TRAIN + TEST, "x", "b")
    learn = {name: values[:TRAIN] for name, values in with_gaps(data).items()}
    test = {name: values[TRAIN:] for name, values in data.items()}
    scores = []
    for options in ({"epochs": 100, "tolerance": 1e-7}, {"epochs": 3, "schedule": "stochastic"}):
        learnt = fit(learn, **options)
        left = np.square(learnt.predict("x", {"b": test["b"]}).mean - test["x"]).sum()
        right = (learnt.predict("b", {"x": test["x"]}).mean > 0.5) == test["b"]
        scores.append((1 - left / np.square(test["x"] - test["x"].mean(0)).sum(), right.mean()))
    (full, accuracy), (quick, quick_accuracy) = scores
    assert full > 0.3
    assert accuracy > 0.75
    assert quick == pytest.approx(full, abs=0.002)
    assert quick_accuracy == pytest.approx(accuracy, abs=0.005)


def test_minibatches_repeat_with_a_seed():
    data = with_gaps(rows(600, "x", "b"))
    options = {"schedule": "stochastic", "batch_size": 64}
    assert_identical(fit(data, **options), fit(data, **options))


# precision


def test_single_precision_data_are_learnt_in_double_precision():
    data = with_gaps(rows(600, "x", "b"))
    single = {name: values.astype(np.float32) for name, values in data.items()}
    double = {name: values.astype(np.float64) for name, values in single.items()}
    learnt = fit(single)
    assert all(value.dtype == torch.float64 for value in learnt.guide.state_dict().values())
    assert_identical(learnt, fit(double))


# GPU


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("schedule", ["joint", "stochastic"])
def test_a_gpu_learns_the_same(schedule):
    """Missing rows and entries in all kinds of view; draws come from the CPU's generator on both."""
    data = with_gaps(rows(600, "x", "b", "c"))
    options = {"schedule": schedule, "batch_size": 100}
    here, there = (fit(data, device=device, **options) for device in ("cpu", "cuda"))
    assert next(there.guide.buffers()).device.type == "cuda"
    np.testing.assert_allclose(there.history["elbo"], here.history["elbo"], rtol=1e-6)
    for name in data:
        for other in data:
            predictions = [learnt.predict(name, {other: data[other]}) for learnt in (here, there)]
            np.testing.assert_allclose(*(p.mean for p in predictions), rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(*(p.sd for p in predictions), rtol=1e-6, atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_streams_from_disk(tmp_path):
    data = with_gaps(rows(600, "x", "b"))
    here, there = fit(data, device="cuda"), fit(on_disk(data, tmp_path), device="cuda")
    np.testing.assert_allclose(there.history["elbo"], here.history["elbo"], rtol=1e-9)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_fit_moves_between_devices(tmp_path):
    data = with_gaps(rows(600, "x", "b"))
    learnt = fit(data, device="cuda")
    learnt.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit", device="cpu")
    predictions = [run.predict("b", {"x": data["x"]}).mean for run in (learnt, loaded)]
    np.testing.assert_allclose(*predictions, rtol=1e-6, atol=1e-9)
