import numpy as np
import pytest
import torch

import pyro_favae as fv

N, TRAIN = 500, 400


class Digits:
    """Small images with labels that can be told from them."""

    def __init__(self) -> None:
        digits = fv.datasets.load_digits()
        self.images = digits.images[:N]
        self.labels = (digits.labels[:N, None] == np.arange(10)).astype(float)
        self.view = fv.views.Image((1, 8, 8), 8, likelihood=fv.likelihoods.Gaussian(0.15))
        self.train = {"digit": self.images[:TRAIN], "label": self.labels[:TRAIN]}
        self.model = fv.FAVAE({"digit": self.view, "label": fv.views.Bernoulli(10)}, n_factors=8)

    def accuracy(self, fit: fv.Fit) -> float:
        """Of labels given images that were held out."""
        said = fit.predict("label", {"digit": self.images[TRAIN:]}).mean
        return float((said.argmax(1) == self.labels[TRAIN:].argmax(1)).mean())


@pytest.fixture(scope="session")
def digits() -> Digits:
    return Digits()


@pytest.fixture(scope="session")
def pretrained(digits) -> fv.Pretrained:
    return fv.pretrain(digits.view, digits.train["digit"], epochs=60, batch_size=64, seed=0, progress=False)


@pytest.fixture(scope="session")
def conditioned(digits, pretrained) -> fv.Fit:
    return fv.fit(digits.model, digits.train, pretrained={"digit": pretrained}, seed=0, progress=False)


def same_state(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two modules hold the same numbers to the last bit."""
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
