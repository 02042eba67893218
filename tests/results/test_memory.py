"""What predictions hold at a time does not grow with the rows or draws that are asked for."""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import pyro_favae as fv


class Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation made, in numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else [result]:
            if isinstance(value, torch.Tensor):
                self.size = max(self.size, value.untyped_storage().nbytes() // max(value.element_size(), 1))
        return result


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    data = {"image": rng.random((60, 1, 8, 8)), "labels": rng.integers(0, 2, (60, 3)).astype(float)}
    views = {"image": fv.views.Image((1, 8, 8), 2), "labels": fv.views.Bernoulli(("a", "b", "c"))}
    return fv.fit(fv.FAVAE(views, 3), data, epochs=1, batch_size=30, seed=0, progress=False, device="cpu")


CALLS = {
    "transform": lambda fit, x, y: fit.transform({"image": x, "labels": y}),
    "predict": lambda fit, x, y: fit.predict("image", {"labels": y}),
    "draws": lambda fit, x, y: fit.predict("labels", {"image": x}, n_draws=2),
    "generate": lambda fit, x, y: fit.generate("image", {"labels": y}, n=2),
    "reconstruct": lambda fit, x, y: fit.reconstruct("image", x),
    "edit": lambda fit, x, y: fit.edit("image", x, {"a": 1}),
    "interpolate": lambda fit, x, y: fit.interpolate("image", x, x, 2),
    "traverse": lambda fit, x, y: fit.traverse("image", x, factor=0, steps=2),
    "impute": lambda fit, x, y: fit.impute({"image": x, "labels": y}),
    "log_density": lambda fit, x, y: fit.log_density("labels", y, {"image": x}),
}


def largest(fit, call, n: int) -> int:
    rng = np.random.default_rng(0)
    images = torch.as_tensor(rng.random((n, 1, 8, 8)), dtype=torch.float32)
    labels = torch.as_tensor(rng.integers(0, 2, (n, 3)).astype(float))
    with Largest() as seen:
        call(fit, images, labels)
    return seen.size


@pytest.mark.parametrize("name", CALLS)
def test_twice_the_rows_take_no_larger_tensors(fit, name):
    """A chunk's convolutions are the largest, or the rows that are looked at at a time, here all: 64 pixels each."""
    assert largest(fit, CALLS[name], 2100) <= max(largest(fit, CALLS[name], 1050), 2100 * 64)


def test_more_draws_take_no_larger_tensors(fit):
    sizes = [
        largest(fit, lambda fit, x, y, n=n: fit.generate(["image", "labels"], {"labels": y}, n=n), 20)
        for n in (64, 256)
    ]
    assert sizes[1] <= sizes[0]
