import numpy as np
import pytest
import torch

from pyro_favae.datasets import digit_attributes, load_digits, load_mnist
from pyro_favae.errors import DataError
from pyro_favae.experiments.judge import train_judge


@pytest.fixture(scope="module")
def split():
    """The small digits, and which rows to train on and to hold out."""
    digits = load_digits()
    rows = np.random.default_rng(0).permutation(digits.n)
    return digits, rows[360:], rows[:360]


def test_it_knows_unseen_digits(split):
    digits, seen, unseen = split
    judge = train_judge(digits.images[seen], digits.labels[seen], epochs=20, seed=0)
    predicted = judge.predict(digits.images[unseen])
    assert predicted.shape == (360,)
    assert np.mean(predicted == digits.labels[unseen]) >= 0.97


def test_it_knows_the_attributes_of_unseen_digits(split):
    digits, seen, unseen = split
    attributes = digit_attributes(digits.labels).to_numpy()
    judge = train_judge(digits.images[seen], attributes[seen], epochs=20, seed=0)
    probabilities = judge.predict(digits.images[unseen])
    assert probabilities.shape == (360, 5)
    assert np.all((probabilities >= 0) & (probabilities <= 1))
    assert np.all(np.mean((probabilities > 0.5) == attributes[unseen], axis=0) >= 0.97)


def test_the_seed_decides_and_the_global_state_is_left_alone(rng):
    images, labels = rng.random((64, 3, 9, 11), dtype=np.float32), np.arange(64) % 2
    before = torch.get_rng_state()
    first, again, other = (
        train_judge(images, np.stack([labels, 1 - labels], 1), epochs=1, seed=seed).predict(images)
        for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_bytes_and_floats_are_judged_alike(rng):
    images = rng.integers(0, 256, (32, 1, 8, 8), dtype=np.uint8)
    judge = train_judge(images, np.stack([np.arange(32) % 2], 1), epochs=1, seed=0)
    np.testing.assert_allclose(
        judge.predict(images), judge.predict(images.astype(np.float32) / 255), rtol=1e-5
    )


def test_what_does_not_fit_is_refused(rng):
    images = rng.random((4, 1, 8, 8))
    with pytest.raises(DataError, match="labels"):
        train_judge(images, [0, 1], epochs=1)
    with pytest.raises(DataError, match="images"):
        train_judge(images[:, 0], [0, 1, 0, 1], epochs=1)


@pytest.mark.slow
@pytest.mark.data
def test_it_knows_mnist(data_root):
    train, test = load_mnist(data_root, train=True), load_mnist(data_root)
    judge = train_judge(train.images[:24_000], train.labels[:24_000], epochs=1, seed=0)
    assert np.mean(judge.predict(test.images) == test.labels) >= 0.98
