import numpy as np

from pyro_favae.datasets import load_digits


def test_digits_are_images_in_the_unit_interval():
    digits = load_digits()
    assert digits.images.shape == (1797, 1, 8, 8)
    assert digits.images.dtype == np.float32
    assert (digits.images.min(), digits.images.max()) == (0, 1)
    assert digits.labels.dtype == np.int64
    assert set(digits.labels) == set(range(10))
    assert digits.n == 1797
