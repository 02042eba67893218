"""A small VAE of digits, and data sets of the official layouts made of noise."""

import matplotlib
import numpy as np
import pytest
import torch

import pyro_favae as fv
from tests.datasets.test_mnist import write_idx

matplotlib.use("Agg")


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    return fv.datasets.load_digits().images


@pytest.fixture(scope="session")
def vae(digits) -> fv.Pretrained:
    """Sixteen dimensions, of which a few are used."""
    view = fv.views.Image((1, 8, 8), 16, network="dense", likelihood=fv.likelihoods.Gaussian(0.2), beta=2.0)
    return fv.pretrain(
        view, digits[:1500], epochs=25, batch_size=64, learning_rate=3e-3, seed=0, progress=False
    )


@pytest.fixture
def mnist_root(tmp_path, rng):
    """Blurred squares in MNIST's files: class 0 on the left, class 1 on the right."""
    folder = tmp_path / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", 300), ("t10k", 120)):
        labels = np.arange(n) % 2
        images = rng.integers(0, 60, (n, 28, 28))
        for image, label in zip(images, labels, strict=True):
            image[8:20, 4 + 12 * label : 12 + 12 * label] += 180
        write_idx(folder / f"{part}-images-idx3-ubyte", images.astype(np.uint8))
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels.astype(np.uint8))
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _one_random_state():
    """Nothing here disturbs what others draw."""
    with torch.random.fork_rng(devices=[]):
        yield
