"""What the tests share."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data: PYRO_FAVAE_DATA, or else ../shared/data next to the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("PYRO_FAVAE_DATA", beside))
    if not root.is_dir():
        pytest.skip(f"no real data: {root} is absent; PYRO_FAVAE_DATA may name the folder above MNIST/")
    return root


@pytest.fixture
def rng() -> np.random.Generator:
    """A random generator seeded anew for every test."""
    return np.random.default_rng(0)
