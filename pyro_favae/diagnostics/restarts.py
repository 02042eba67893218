"""Whether the result depends on where learning started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from pyro_favae.diagnostics.matching import match_factors
from pyro_favae.errors import SpecError
from pyro_favae.fitting import fit
from pyro_favae.models.declaration import require_count
from pyro_favae.models.favae import FAVAE
from pyro_favae.results import Fit

SAME = 0.95  # correlation from which a factor counts as found again


@dataclass(frozen=True, repr=False)
class Restarts:
    """Fits of one model to the same data from several starts; see :func:`restarts`."""

    runs: pd.DataFrame  # by run: start, seed, bound, below (the best, nats), ended_by, factors, found, agree
    factors: pd.DataFrame  # by active factor of the best run: views, correlation (lowest, mean), found, agree
    fits: tuple[Fit, ...]
    best: int  # the run with the highest bound

    def __repr__(self) -> str:
        found, runs = self.factors["found"], self.runs
        return (
            f"{len(runs)} starts, bounds within {runs['below'].max():.3g} nats of {runs['bound'].max():,.1f}; of the "
            f"best one's {len(found)} factors {int((found == 1).sum())} are found by all {len(runs) - 1} others "
            f"(correlation ≥ {SAME}), {int((found == 0).sum())} by none"
        )


def restarts(
    model: FAVAE,
    data: Mapping[str, Any],
    n: int = 5,
    *,
    seed: int = 0,
    progress: bool = False,
    **settings: Any,
) -> Restarts:
    """Fit a model n times, once from principal components and n − 1 times from random weights, and compare.

    Factors are matched with those of the run with the highest bound, by :func:`match_factors`. In ``runs``: how far
    each bound lies ``below`` the best, how many factors are active, what share of the best run's active factors is
    ``found`` (correlation of 0.95 or more), and what share is used by the same views (``agree``). In ``factors``: the
    same by factor, over the other runs.

    Factors that are found again and again, with the bounds alike, do not depend on the start. Bounds that differ by
    many nats say that some starts ended in a worse optimum: take the best. Bounds that are alike with factors that
    differ say that the data do not tell these solutions apart. seed: of the first run; the others count up from it.
    settings: those of :func:`pyro_favae.fit`. Raises :class:`SpecError` for fewer than two starts.
    """
    require_count("restarts", least=2, n=n)
    if "start" in settings:
        raise SpecError(
            "restarts: start is chosen for each run, 'pca' for the first and 'random' for the others"
        )
    starts: list[tuple[Literal["pca", "random"], int]] = [
        ("pca" if i == 0 else "random", seed + i) for i in range(n)
    ]
    fits = tuple(
        fit(model, data, seed=own, start=start, progress=progress, **settings) for start, own in starts
    )
    best = max(range(n), key=lambda i: fits[i].elbo)
    active = fits[best].active.any().to_numpy()
    matched = {i: match_factors(fits[best], other, data)[active] for i, other in enumerate(fits) if i != best}
    return Restarts(_runs(starts, fits, best, matched), _factors(fits[best], matched), fits, best)


def _runs(
    starts: Sequence[tuple[str, int]], fits: tuple[Fit, ...], best: int, matched: Mapping[int, pd.DataFrame]
) -> pd.DataFrame:
    runs = pd.DataFrame(starts, columns=["start", "seed"]).rename_axis("run")
    runs["bound"] = [one.elbo for one in fits]
    runs["below"] = fits[best].elbo - runs["bound"]
    runs["ended_by"] = [one.ended_by for one in fits]
    runs["factors"] = [int(one.active.any().sum()) for one in fits]
    runs["found"] = [(matched[i]["correlation"] >= SAME).mean() if i != best else 1.0 for i in runs.index]
    runs["agree"] = [matched[i]["agree"].mean() if i != best else 1.0 for i in runs.index]
    return runs


def _factors(best: Fit, matched: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    first = next(iter(matched.values()))
    correlations = pd.DataFrame({i: match["correlation"].fillna(0.0) for i, match in matched.items()})
    agree = pd.DataFrame({i: match["agree"] for i, match in matched.items()})
    return pd.DataFrame(
        {
            "views": first["views"],
            "lowest": correlations.min(axis=1),
            "mean": correlations.mean(axis=1),
            "found": (correlations >= SAME).mean(axis=1),
            "agree": agree.mean(axis=1),
        }
    )
