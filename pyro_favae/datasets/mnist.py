"""MNIST from local files, through torchvision."""

import os
from pathlib import Path

from pyro_favae.datasets._torchvision import import_torchvision
from pyro_favae.datasets.labelled import LabelledImages
from pyro_favae.errors import DataError


def load_mnist(root: str | os.PathLike, train: bool = False) -> LabelledImages:
    """Return MNIST's 10,000 test digits, or its 60,000 training digits.

    Args:
        root: the folder that holds `MNIST/raw/` with the four unpacked idx files. Nothing is downloaded.
        train: the training part instead of the test part.

    Returns:
        images (n, 1, 28, 28) uint8, labels (n,) 0..9.

    Raises:
        DataError: the files are not there.
    """
    torchvision = import_torchvision()
    try:
        dataset = torchvision.datasets.MNIST(root, train=train, download=False)
    except RuntimeError as error:
        raise DataError(
            f"no MNIST in {Path(root) / 'MNIST' / 'raw'}: expected the unpacked files "
            "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
            "t10k-labels-idx1-ubyte. Either `root` is not the folder above `MNIST/`, or fetch them with "
            f"`torchvision.datasets.MNIST({str(root)!r}, download=True)`."
        ) from error
    return LabelledImages(images=dataset.data[:, None].numpy(), labels=dataset.targets.long().numpy())
