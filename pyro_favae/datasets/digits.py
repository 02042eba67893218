"""The small digits that come with scikit-learn: no file to download."""

import numpy as np
from sklearn import datasets

from pyro_favae.datasets.labelled import LabelledImages


def load_digits() -> LabelledImages:
    """Return 1,797 handwritten digits: images (1797, 1, 8, 8) float32 in [0, 1], labels 0..9."""
    bunch = datasets.load_digits()
    images = (bunch.images[:, None] / 16).astype(np.float32)
    return LabelledImages(images=images, labels=bunch.target.astype(np.int64))
