"""How probable data are under the predictive distribution: its log density, entry by entry."""

from collections.abc import Iterable, Mapping
from functools import reduce
from math import log
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data import Dataset, given_views
from pyro_favae.errors import DataError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.rows import Rows
from pyro_favae.results.predictive import (
    CHUNK,
    draw_latents,
    generator_for,
    inferred,
    latent_moments,
)

DRAWS = 256  # of latents, where the density has no formula


def log_density(
    guide: FAVAEGuide,
    name: str,
    data: Any,
    given: Mapping[str, Any] | None,
    n_draws: int = DRAWS,
    seed: int | None = None,
) -> np.ndarray:
    """Log density of each entry of a view's rows, nats; see :meth:`pyro_favae.Fit.log_density`."""
    dataset = given_views(guide.declaration, {name: data})
    if given is None:
        return density_of_rows(guide, name, dataset, nothing_known(guide, len(dataset)), n_draws, seed)
    known = given_views(guide.declaration, given)
    _require_same_rows(name, dataset.index, known.index)
    return density_of_rows(guide, name, dataset, inferred(guide, known), n_draws, seed)


def nothing_known(guide: FAVAEGuide, n: int) -> Iterable[Rows]:
    """q of n rows of which nothing is known, a chunk at a time."""
    for start in range(0, n, CHUNK):
        yield guide.infer({}, min(CHUNK, n - start))


@torch.no_grad()
def density_of_rows(
    guide: FAVAEGuide,
    name: str,
    dataset: Dataset,
    chunks: Iterable[Rows],
    n_draws: int = DRAWS,
    seed: int | None = None,
) -> np.ndarray:
    """The same for a data set, given q of its rows in chunks."""
    generator, parts = generator_for(guide, seed), []
    for batch, rows in zip(dataset.in_order(CHUNK, guide.device, [name]), chunks, strict=True):
        scores = _by_formula(guide, name, rows, batch.data[name])
        if scores is None:
            scores = _by_draws(guide, name, rows, batch.data[name], n_draws, generator)
        observed = batch.observed[name]
        observed = observed.reshape(
            len(observed), *observed.shape[1 : scores.dim()], *[1] * (scores.dim() - 2)
        )
        parts.append(torch.where(observed, scores, torch.nan).cpu().numpy())
    return np.concatenate(parts)


def _by_formula(guide: FAVAEGuide, name: str, rows: Rows, data: Tensor) -> Tensor | None:
    """Σ_c responsibilities_c p(x | component c), in logs."""
    mean, variance = latent_moments(guide.posterior.view(name), rows)
    scores = guide.model.emission(name).log_density(mean, variance, data[:, None])
    if scores is None:
        return None
    shares = rows.responsibilities.log()
    return (scores + shares.reshape(*shares.shape, *[1] * (scores.dim() - 2))).logsumexp(1)


def _by_draws(
    guide: FAVAEGuide, name: str, rows: Rows, data: Tensor, n: int, generator: torch.Generator
) -> Tensor:
    """The mean over n draws of the latents of the densities given them, in logs."""
    emission, draws = guide.model.emission(name), draw_latents(guide, [name], rows, n, generator)[name]
    return reduce(torch.logaddexp, (emission.log_prob(latents, data) for latents in draws)) - log(n)


def _require_same_rows(name: str, index: pd.Index, given: pd.Index) -> None:
    if len(index) != len(given):
        raise DataError(
            f"view {name!r}: {len(index)} rows to score, expected {len(given)} as in what is given; mark what a row "
            "lacks by NaN"
        )
    by_position = any(isinstance(one, pd.RangeIndex) for one in (index, given))
    if not by_position and not index.equals(given):
        raise DataError(
            f"view {name!r}: the rows to score are labelled {list(index[:3])} and on, those given {list(given[:3])} "
            "and on; expected the same labels in the same order"
        )
