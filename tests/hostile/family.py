"""Asking things of the library that it must refuse with an error of its own, or else do."""

import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from pyro_favae.errors import FavaeError, SpecWarning

CPU_SECONDS = 5.0  # that no single question may take
PROFILE = {
    "derandomize": True,
    "database": None,
    "deadline": None,
    "phases": (Phase.generate, Phase.shrink),
    "suppress_health_check": list(HealthCheck),
}


@dataclass(frozen=True)
class Family:
    """Inputs of one kind, and what is done with each; whatever is no :class:`FavaeError` fails."""

    name: str
    cases: SearchStrategy[Any]
    ask: Callable[[Any], object]
    share: float = 1.0  # of the questions asked


def put(family: Family, n: int) -> Counter:
    """Ask n questions; returns how many were ``"refused"`` and how many ``"accepted"``."""
    counts: Counter = Counter()

    @settings(max_examples=max(1, round(n * family.share)), **PROFILE)
    @given(family.cases)
    def question(case: Any) -> None:
        started = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SpecWarning)
                warnings.filterwarnings("ignore", "Encountered NaN")  # Pyro's, before a NumericalError
                family.ask(case)
            counts["accepted"] += 1
        except FavaeError:
            counts["refused"] += 1
        assert time.process_time() - started < CPU_SECONDS

    question()
    return counts
