"""Images with a table of attributes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, eq=False)
class AttributedImages:
    """Images and what is known of each, row by row.

    Attributes:
        images: (n, channels, height, width) uint8, in memory or a memory map, which :func:`pyro_favae.fit` streams.
        attributes: n rows, one column an attribute, indexed by the images' names.
    """

    images: np.ndarray
    attributes: pd.DataFrame

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.attributes)
