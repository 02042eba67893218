"""How far the guide is from the model's posterior, by the importance ratios of its draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pyro import poutine
from pyro.poutine.runtime import Message
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.data import Batch, prepare
from pyro_favae.diagnostics.pareto import largest_shape, pareto_shape
from pyro_favae.errors import DataError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.rows import Rows
from pyro_favae.models.declaration import require_count
from pyro_favae.results import Fit
from pyro_favae.results.draws import seeded
from pyro_favae.results.likelihood import row_log_likelihood
from pyro_favae.results.predictive import inferred_batches

FEWEST = 100  # draws: the tail that k-hat is read off is a fifth of them


@dataclass(frozen=True, repr=False)
class PSIS:
    """Pareto shapes k̂ of importance ratios p / q; see :func:`psis`."""

    everything: float  # of all sites: globals and every row's own
    shared: float  # of the globals alone, what is the rows' own integrated out
    rows: pd.Series  # (N,) of each row's own sites given the globals
    threshold: float  # up to which averages over that many draws can be corrected and relied on
    draws: int

    @property
    def good_rows(self) -> float:
        """Share of rows whose k̂ is at most the threshold."""
        return float((self.rows <= self.threshold).mean())

    def __repr__(self) -> str:
        def said(shape: float) -> str:
            return f"{shape:.2f} ({'good' if shape <= self.threshold else 'too large'})"

        return (
            f"PSIS k̂ of {self.draws} draws, good up to {self.threshold:.2f}: globals {said(self.shared)}, everything "
            f"{said(self.everything)}, rows {self.good_rows:.0%} good, median {self.rows.median():.2f}, largest "
            f"{self.rows.max():.2f}"
        )


@torch.no_grad()
def psis(
    fit: Fit, data: Mapping[str, Any], draws: int = 1000, seed: int | None = None, *, progress: bool = True
) -> PSIS:
    """Compare the guide with the model's posterior on the data that it was learnt from.

    k̂ is the shape of a Pareto tail of the ratios p(x, θ) / q(θ) over draws of q. Where it is at most
    min(1 − 1 / log₁₀(draws), 0.7) the draws, weighted, stand for the posterior; a larger one says that they miss
    where the posterior has mass, and by itself not how much that matters for what one reads off.

    ``everything``: θ is all sites, N K factors among them: it grows with the number of sites, and is above the
    threshold for almost any real data set. ``shared``: θ is the globals, with rows' factors and latents integrated
    out (:func:`pyro_favae.results.likelihood.row_log_likelihood`): whether the q of weights, noise and relevances
    is right. ``rows``: the ratios p(g_n, z_n | x_n, θ) / q(g_n, z_n) of a row's own sites, with the globals θ drawn
    from q: whether what is said of that row is.
    Yao, Vehtari, Simpson and Gelman 2018, "Yes, but did it work?"; Vehtari et al. 2024.

    Networks are points, and not judged. A draw takes a pass over the rows: milliseconds for real views, a second for
    some hundred rows of many classes or behind a decoder, where a few hundred draws must do.

    Raises :class:`DataError` unless the rows are as many as were learnt from, and for fewer than 100 draws.
    """
    require_count("psis", draws=draws)
    if draws < FEWEST:
        raise DataError(
            f"psis: {draws} draws have too short a tail to read a shape off, expected at least {FEWEST}"
        )
    dataset = prepare(fit.declaration, data)
    if len(dataset) != fit.model.n_rows:
        raise DataError(
            f"psis: {len(dataset)} rows, expected the {fit.model.n_rows} that the fit was learnt from: the posterior "
            "that the guide stands for is the one given them"
        )
    with seeded(fit.guide, seed):
        generator = torch.Generator(device=fit.guide.device).manual_seed(int(torch.randint(2**31 - 1, ())))
        batches = list(inferred_batches(fit.guide, dataset))
        counted = tqdm(range(draws), disable=not progress, desc="PSIS", unit="draw")
        parts = [_log_ratios(fit.guide, batches) for _ in counted]
        drawn = {name: torch.stack([part.sites[name] for part in parts]) for name in parts[0].sites}
        whole, _ = row_log_likelihood(fit.guide, dataset, drawn, generator, by_view=False, progress=progress)
    shared = np.array([part.shared for part in parts])
    rows, likelihood = np.stack([part.rows for part in parts], 1), whole.mT.cpu().numpy()  # (N, draws)
    return PSIS(
        everything=float(pareto_shape(shared + rows.sum(0))),
        shared=float(pareto_shape(shared + likelihood.sum(0))),
        rows=pd.Series(pareto_shape(rows - likelihood), dataset.index, name="k"),
        threshold=largest_shape(draws),
        draws=draws,
    )


@dataclass(frozen=True)
class _Ratios:
    """log p − log q at one draw, in nats."""

    sites: dict[str, Tensor]  # the globals
    shared: float  # of the globals
    rows: np.ndarray  # (N,) of what is each row's own, data included


def _log_ratios(guide: FAVAEGuide, batches: list[tuple[Batch, Rows]]) -> _Ratios:
    globals_ = poutine.trace(guide.posterior.sample).get_trace()
    sites = _values(globals_)
    shared, rows = -_density(globals_, local=False), []
    for i, (batch, local) in enumerate(batches):
        own, model = _row_traces(guide, batch, local, globals_)
        rows.append(_density(model, local=True) - _density(own, local=True))
        if not i:
            shared = shared + _density(model, local=False)
    return _Ratios(sites, float(shared), torch.cat(rows).cpu().numpy())


def _row_traces(
    guide: FAVAEGuide, batch: Batch, rows: Rows, globals_: poutine.Trace
) -> tuple[poutine.Trace, poutine.Trace]:
    """Traces of the guide's sites of some rows, and of the model at these and at the globals."""
    views = dict(zip(batch.data, rows.views, strict=True))
    sites = _values(globals_)
    drawn = {name: (sites[f"{name}.weights"], sites[f"{name}.bias"]) for name in guide.names}
    own = poutine.trace(guide.sample_rows).get_trace(views, rows, drawn)
    values = sites | _values(own)
    groups = {} if batch.groups is None else {guide.declaration.factors.column: batch.groups}
    model = poutine.trace(poutine.condition(guide.model, data=values))
    return own, model.get_trace(batch.data | groups, batch.observed)


def _values(trace: poutine.Trace) -> dict[str, Tensor]:
    return {name: cast(Tensor, site["value"]) for name, site in _sampled(trace)}


def _sampled(trace: poutine.Trace) -> list[tuple[str, Message]]:
    nodes = trace.nodes.items()
    return [(name, site) for name, site in nodes if site["type"] == "sample" and not site_is_subsample(site)]


def _density(trace: poutine.Trace, local: bool) -> Tensor:
    """Log density of the rows' own sites, (rows,), or of all others, (), whatever the plate's scale, in float64."""
    trace.compute_log_prob()
    total = torch.zeros((), dtype=torch.float64)
    for _, site in _sampled(trace):
        if local == any(frame.name == "rows" for frame in site["cond_indep_stack"]):
            score = site["log_prob"] / site["scale"] if local else site["log_prob"].sum()
            total = total.to(score.device) + score.to(torch.float64)
    return total
