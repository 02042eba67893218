"""Draws of rows' own sites and of their data, and what they would take."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from pyro_favae.data import Batch, Dataset
from pyro_favae.errors import DataError
from pyro_favae.results import Fit
from pyro_favae.results.draws import data_draw, inferred_given, row_draw
from pyro_favae.results.predictive import inferred_batches

Arrays = dict[str, np.ndarray]

COMPONENT = "row_component"  # of each row; ``component`` is a dimension


@dataclass(frozen=True)
class Wanted:
    """What is to be drawn, and how many times."""

    fit: Fit
    dataset: Dataset | None
    draws: int
    local: bool
    predictive: bool
    exact: bool = False  # whether rows' own sites follow each draw of the globals, as in the exact posterior

    def require_memory(self, gigabytes: float) -> None:
        """Raise :class:`DataError` if the draws would not fit."""
        sizes = self._sizes()
        total = sum(sizes.values())
        if total > gigabytes * 1e9:
            parts = ", ".join(f"{name} {size / 1e9:.1f}" for name, size in sizes.items() if size)
            raise DataError(
                f"to_arviz: {self.draws} draws would take {total / 1e9:.1f} GB ({parts}), expected at most "
                f"{gigabytes:g}; ask for fewer draws, for part of the rows or without predictive=True, or raise "
                "max_gigabytes"
            )

    def _sizes(self) -> dict[str, int]:
        """Bytes of each group."""
        model, rows = self.fit.declaration, 0 if self.dataset is None else len(self.dataset)
        views = model.views.values()
        of_globals = sum(2 * view.latent_dim * (model.n_factors + 1) for view in views)
        of_rows = model.n_factors + 1 + sum(view.latent_dim for view in views)
        return {
            "globals": 8 * self.draws * of_globals,
            "local": 8 * self.draws * rows * of_rows * self.local,
            "posterior_predictive": 8
            * self.draws
            * rows
            * sum(prod(view.event_shape) for view in views)
            * self.predictive,
            "log_likelihood": 8 * self.draws * rows * (len(model.views) + 1),
        }


def rows_drawn(
    fit: Fit, dataset: Dataset, drawn: Mapping[str, Tensor], wanted: Wanted
) -> tuple[Arrays, Arrays, Arrays]:
    """Rows' own sites (draws, rows, ...), their data drawn anew (draws, rows, *event), and what is observed."""
    guide, parts, base = fit.guide, [], fit.guide.snapshot()
    for batch, rows in inferred_batches(guide, dataset):
        sites, data = [], []
        for i in range(wanted.draws if wanted.local or wanted.predictive else 0):
            given = {name: values[i] for name, values in drawn.items()}
            known = inferred_given(guide, batch, base, given) if wanted.exact else rows
            own = row_draw(guide, batch, known, given)
            if wanted.local:
                sites.append(_in_units(fit, own))
            if wanted.predictive:
                data.append(_predicted(fit, batch, data_draw(guide, batch, given | own)))
        observed = {name: _masked(batch, name, batch.data[name]) for name in _drawn_views(fit)}
        parts.append((_stacked(sites), _stacked(data), _named(observed)))
    all_sites, all_data, all_observed = zip(*parts, strict=True)
    return _joined(all_sites, 1), _joined(all_data, 1), _joined(all_observed, 0)


def _in_units(fit: Fit, sites: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Sites by the names they go by: latents that are a scale of the user's data in the user's units."""
    named = {f"{name}.latents": fit.model.emission(name) for name in fit.guide.names}
    scaled = {name: emission for name, emission in named.items() if emission.unit is not None}
    values = {name: scaled[name].decode(value) if name in scaled else value for name, value in sites.items()}
    return {COMPONENT if name == "component" else name: value for name, value in values.items()}


def _drawn_views(fit: Fit) -> list[str]:
    return [name for name, view in fit.declaration.views.items() if view.is_drawn]


def _predicted(fit: Fit, batch: Batch, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.data": _masked(batch, name, data[name]) for name in _drawn_views(fit)}


def _masked(batch: Batch, name: str, values: Tensor) -> Tensor:
    """NaN where the row has nothing."""
    observed = batch.observed[name]
    observed = observed.reshape(
        len(values), *observed.shape[1 : values.dim()], *[1] * (values.dim() - observed.dim())
    )
    values = values if values.is_floating_point() else values.to(torch.float64)
    return torch.where(observed, values, torch.nan)


def _named(data: Mapping[str, Tensor]) -> Arrays:
    return {f"{name}.data": value.cpu().numpy() for name, value in data.items()}


def _stacked(draws: list[dict[str, Tensor]]) -> Arrays:
    names = draws[0] if draws else []
    return {name: torch.stack([one[name] for one in draws]).cpu().numpy() for name in names}


def _joined(parts: tuple[Arrays, ...], axis: int) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts], axis) for name in parts[0]}
