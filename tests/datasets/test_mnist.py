import struct

import numpy as np
import pytest

from pyro_favae.datasets import load_mnist
from pyro_favae.errors import DataError


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.tobytes())


def test_files_are_read_as_they_are(tmp_path, rng):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    parts = {"train": 5, "t10k": 3}
    images = {part: rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for part, n in parts.items()}
    labels = {part: rng.integers(0, 10, n, dtype=np.uint8) for part, n in parts.items()}
    for part in parts:
        write_idx(folder / f"{part}-images-idx3-ubyte", images[part])
        write_idx(folder / f"{part}-labels-idx1-ubyte", labels[part])

    for part, train in [("train", True), ("t10k", False)]:
        loaded = load_mnist(tmp_path, train=train)
        assert loaded.images.dtype == np.uint8
        np.testing.assert_array_equal(loaded.images, images[part][:, None])
        assert loaded.labels.dtype == np.int64
        np.testing.assert_array_equal(loaded.labels, labels[part])


def test_absent_files_are_named(tmp_path):
    with pytest.raises(DataError, match="train-images-idx3-ubyte") as caught:
        load_mnist(tmp_path)
    assert str(tmp_path / "MNIST" / "raw") in str(caught.value)


@pytest.mark.data
def test_the_real_thing(data_root):
    test = load_mnist(data_root)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert list(test.labels[:5]) == [7, 2, 1, 0, 4]
