import numpy as np
import pytest

from pyro_favae.errors import DataError
from pyro_favae.experiments.quality import r2, spread


def test_r2_of_the_images_themselves_and_of_their_mean(rng):
    images = rng.random((20, 1, 4, 4))
    mean = images.mean(0)
    assert r2(images, images, mean) == 1
    assert r2(np.broadcast_to(mean, images.shape), images, mean) == 0
    assert r2((images + mean) / 2, images, mean) == pytest.approx(0.75)


def test_r2_refuses_images_that_do_not_match(rng):
    images = rng.random((20, 1, 4, 4))
    with pytest.raises(DataError, match="mean"):
        r2(images, images, images)
    with pytest.raises(DataError, match="reconstruction"):
        r2(images[:1], images, images[0])


def test_spread_is_relative_to_the_real_images(rng):
    labels = np.repeat([0, 1], 30)
    real = rng.random((60, 1, 4, 4)) + labels[:, None, None, None]
    class_means = np.stack([real[labels == k].mean(0) for k in (0, 1)])[labels]
    assert spread(real, labels, real, labels) == pytest.approx(1)
    assert spread(class_means, labels, real, labels) == pytest.approx(0)
    assert spread(class_means + 0.5 * (real - class_means), labels, real, labels) == pytest.approx(0.25)


def test_spread_compares_the_same_classes(rng):
    real, labels = rng.random((60, 1, 4, 4)), np.repeat([0, 1, 2], 20)
    real[labels == 2] *= 100
    assert spread(real[labels < 2], labels[labels < 2], real, labels) == pytest.approx(1)


def test_spread_does_not_depend_on_the_number_of_images(rng):
    real, labels = rng.normal(size=(4000, 16)), np.zeros(4000, int)
    few = [spread(rng.normal(size=(3, 16)), [0, 0, 0], real, labels) for _ in range(200)]
    assert abs(np.mean(few) - 1) < 4 * np.std(few) / np.sqrt(len(few))


def test_spread_needs_two_images_a_class(rng):
    real = rng.random((4, 2))
    with pytest.raises(DataError, match="class 1"):
        spread(real[:3], [0, 0, 1], real, [0, 0, 1, 1])
    with pytest.raises(DataError, match="labels"):
        spread(real, [0, 0], real, [0, 0, 1, 1])
