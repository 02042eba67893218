"""What learning leaves behind: one row a pass."""

import logging
import time
from collections.abc import Callable, Collection

import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.errors import NumericalError
from pyro_favae.inference.activity import active_factors
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.statistics import Statistics

logger = logging.getLogger("pyro_favae")

Callback = Callable[[dict], bool | None]


class History:
    """Collects a record for each pass, shows progress, logs factors that fade or return."""

    def __init__(self, posterior: Posterior, betas: dict[str, float], callbacks, progress: bool, total: int):
        self.posterior = posterior
        self.betas = betas
        self.callbacks = tuple(callbacks)
        self.records: list[dict] = []
        self._bar = tqdm(total=total, disable=not progress, desc="FA-VAE", unit="pass")
        self._counts: list[int] | None = None
        self._begin = time.perf_counter()

    def add(self, statistics: Statistics, stage: str) -> bool:
        """Record a pass; returns whether a callback asked to stop."""
        terms = elbo_terms(self.posterior, statistics)
        elbo = sum(terms.values())
        if elbo != elbo or abs(elbo) == float("inf"):
            bad = [name for name, value in terms.items() if value != value or abs(value) == float("inf")]
            raise NumericalError(f"the bound is {elbo} after pass {len(self.records)}: terms {bad}")
        active = active_factors(self.posterior)
        self._log_changes(active)
        tempered = sum((1 / beta - 1) * terms[f"{name}.likelihood"] for name, beta in self.betas.items())
        record = {
            "stage": stage,
            "elbo": elbo,
            "objective": elbo + tempered,
            "seconds": time.perf_counter() - self._begin,
            "active": int(active.any(0).sum()),
            **terms,
        }
        self.records.append(record)
        self._bar.update()
        self._bar.set_postfix(bound=f"{elbo:,.1f}", factors=record["active"])
        return any([callback(record) is True for callback in self.callbacks])

    def likelihood(self, names: Collection[str]) -> float:
        """What some encoder views' likelihood is of the last pass's objective, nats."""
        return sum(self.records[-1][f"{name}.likelihood"] / self.betas[name] for name in names)

    def _log_changes(self, active: Tensor) -> None:
        """Counts, because a rotation may rename the factors in every pass."""
        counts = active.sum(1).tolist()
        for name, before, now in zip(self.posterior.names, self._counts or counts, counts, strict=True):
            if before != now:
                logger.info(
                    "pass %d: view %r uses %d factors, %d before", len(self.records), name, now, before
                )
        self._counts = counts

    def state_dict(self) -> dict:
        """The records, and what the next one depends on."""
        return {"records": self.records, "counts": self._counts, "seconds": time.perf_counter() - self._begin}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state; the time in between does not count."""
        self.records, self._counts = list(state["records"]), state["counts"]
        self._begin = time.perf_counter() - state["seconds"]
        self._bar.update(len(self.records))

    def frame(self) -> pd.DataFrame:
        """The records, one row a pass."""
        return pd.DataFrame(self.records).rename_axis("pass")

    def close(self) -> None:
        """End the progress bar."""
        self._bar.close()
