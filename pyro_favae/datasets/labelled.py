"""What every image loader returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images with one class each, row by row.

    Attributes:
        images: (n, channels, height, width), float32 in [0, 1] or uint8 in 0..255.
        labels: (n,) int64.
    """

    images: np.ndarray
    labels: np.ndarray

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.labels)
