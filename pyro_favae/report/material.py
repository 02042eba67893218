"""What a report is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pyro_favae.data import Dataset, prepare
from pyro_favae.models.views import View
from pyro_favae.results import Fit


@dataclass(frozen=True)
class Material:
    """A fit, and data of its views and what else is known of their rows, if there are any."""

    fit: Fit
    data: Mapping[str, Any] | None = None
    covariates: pd.DataFrame | None = None

    @cached_property
    def dataset(self) -> Dataset | None:
        """The data, aligned."""
        return None if self.data is None else prepare(self.fit.declaration, self.data)

    @property
    def views(self) -> Mapping[str, View]:
        """The declared views."""
        return self.fit.declaration.views

    @property
    def images(self) -> list[str]:
        """The views that can be looked at."""
        return [
            name
            for name, view in self.views.items()
            if len(view.event_shape) == 3 and view.event_shape[0] in (1, 3)
        ]

    def active(self, name: str | None = None) -> np.ndarray:
        """The factors that a view uses, or that any does."""
        table = self.fit.active
        return np.flatnonzero(table.any() if name is None else table.loc[name])


def and_(words: Iterable[str]) -> str:
    """Words as a list in a sentence."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def factors_named(numbers: Iterable[int]) -> str:
    """For example ``factors 0, 2 and 5 to 9``."""
    runs: list[list[int]] = []
    for number in map(int, numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [word for run in runs for word in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    plural = sum(map(len, runs)) > 1
    return f"{'factors' if plural else 'factor'} {and_(words)}"
