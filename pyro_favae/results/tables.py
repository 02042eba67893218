"""What is said of some rows, as arrays, and as data frames with the user's names."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyro_favae.errors import SpecError


@dataclass(frozen=True)
class Factors:
    """Posterior of the shared factors of some rows."""

    mean: np.ndarray  # (rows, K)
    sd: np.ndarray  # (rows, K), standard deviations
    covariance: np.ndarray  # (rows, K, K)
    index: pd.Index  # (rows,)

    def to_frame(self) -> pd.DataFrame:
        """The means, rows × factors."""
        return pd.DataFrame(self.mean, index=self.index).rename_axis(columns="factor")


@dataclass(frozen=True)
class Prediction:
    """Predictive distribution of a view, in the user's units; probabilities for a binary view."""

    mean: np.ndarray  # (rows, *event)
    sd: np.ndarray  # (rows, *event), standard deviations
    draws: np.ndarray | None  # (draws, rows, *event)
    index: pd.Index  # (rows,)
    columns: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """The means, rows × columns; raises :class:`SpecError` for data that are no table, such as images."""
        if self.mean.shape[1:] != (len(self.columns),):
            raise SpecError(f"to_frame: rows of shape {self.mean.shape[1:]} are no table; use .mean")
        return pd.DataFrame(self.mean, index=self.index, columns=list(self.columns))
