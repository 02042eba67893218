"""Draws from the posterior: of what the rows share, of the rows, and of the data that these would make."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

import pyro
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from pyro_favae.data import Batch
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.rows import Rows
from pyro_favae.inference.snapshot import Snapshot, ViewSnapshot
from pyro_favae.results.predictive import drawn_seed


@contextmanager
def seeded(guide: FAVAEGuide, seed: int | None) -> Iterator[None]:
    """Torch's generators seeded, from themselves when seed is None, and afterwards as they were."""
    seed = drawn_seed(seed)
    with torch.random.fork_rng(devices=[guide.device] if guide.device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@torch.no_grad()
def global_draws(guide: FAVAEGuide, n: int) -> dict[str, Tensor]:
    """n independent draws of every site that all rows share, (n, ...) each, in the model's own units."""
    shapes = {name: value.shape for name, value in sampled(guide.posterior.sample).items()}
    with pyro.plate("draws", n, dim=-2):  # the sites' own plates are at -1
        drawn = sampled(guide.posterior.sample)
    return {name: value.reshape(n, *shapes[name]) for name, value in drawn.items()}


def given_globals(base: Snapshot, drawn: Mapping[str, Tensor]) -> Snapshot:
    """What rows need to know if one draw of the global sites were certain; ``base`` tells what is not drawn."""
    views = {}
    for name, view in base.views.items():
        weights = torch.cat([drawn[f"{name}.weights"], drawn[f"{name}.bias"][:, None]], 1)
        views[name] = ViewSnapshot.known(weights, drawn.get(f"{name}.noise_precision", view.noise))
    return base.given(views)


@torch.no_grad()
def inferred_given(guide: FAVAEGuide, batch: Batch, base: Snapshot, drawn: Mapping[str, Tensor]) -> Rows:
    """The posterior of some rows if one draw of the global sites were certain."""
    snapshot = given_globals(base, drawn)
    views = guide.view_rows(batch.data, batch.observed, snapshot=snapshot)
    return guide.infer(views, batch.n, snapshot=snapshot, groups=batch.groups)


@torch.no_grad()
def row_draw(guide: FAVAEGuide, batch: Batch, rows: Rows, drawn: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """One draw of some rows' sites, (rows, ...), given one draw of the global ones."""
    views = dict(zip(batch.data, rows.views, strict=True))
    weights = {name: (drawn[f"{name}.weights"], drawn[f"{name}.bias"]) for name in guide.names}
    return sampled(guide.sample_rows, views, rows, weights)


@torch.no_grad()
def data_draw(guide: FAVAEGuide, batch: Batch, sites: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Data drawn anew for some rows, by view, (rows, *event), given one draw of all that is not data."""
    column = guide.declaration.factors.column
    groups = {} if batch.groups is None else {column: batch.groups}
    return poutine.condition(guide.model, data=dict(sites))(groups, rows=batch.n)


def sampled(function: Callable, *args: object) -> dict[str, Tensor]:
    """The values of the sites that a function samples."""
    nodes = poutine.trace(function).get_trace(*args).nodes.items()
    return {
        name: cast(Tensor, site["value"])
        for name, site in nodes
        if site["type"] == "sample" and not site_is_subsample(site)
    }
