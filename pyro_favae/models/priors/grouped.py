"""Factors of rows that belong to known groups: batches, cohorts, tissues."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.errors import SpecError, shown
from pyro_favae.models.declaration import require_positive
from pyro_favae.models.priors.base import FactorPrior


@dataclass(frozen=True)
class Grouped(FactorPrior):
    """g_n ~ N(m_c, diag(1/λ_c)) for a row of group c, with m_ck ~ N(0, 1/mean_precision), λ_ck ~ Gamma(shape, rate).

    groups: the labels that occur. column: the key, beside the views, under which each row's label is given to
    ``fit``, ``predict`` and the others. Batches, cohorts or tissues may then differ in where their rows lie on a
    factor and in how far they spread, while weights and noise stay common to all.

    The data do not tell a wide group from large weights; Gamma(shape, rate) does: it draws the precisions to
    shape / rate, 1 by default, so that a factor's unit is a typical group's spread. A row whose label is not given
    when something is predicted has the Gaussian with mean and covariance of all groups mixed, by their sizes in
    learning. Hyperpriors as in a two-level normal model (Gelman and Hill 2007, chapter 12).

    Raises :class:`SpecError` unless the labels are distinct, non-empty strings.
    """

    group = "priors"
    groups: tuple[str, ...]
    column: str = "group"
    mean_precision: float = 0.1
    shape: float = 5.0
    rate: float = 5.0

    def __post_init__(self) -> None:
        owner = "priors.Grouped"
        labels = self.groups
        if isinstance(labels, str) or not isinstance(labels, tuple | list) or not labels:
            raise SpecError(f"{owner}: groups is {shown(labels)}, expected a sequence of at least one label")
        for label in [*labels, self.column]:
            if not isinstance(label, str) or not label:
                raise SpecError(
                    f"{owner}: {shown(label)} is not a non-empty string, as labels and column must be"
                )
        if len(set(labels)) < len(labels):
            repeated = next(label for label in labels if labels.count(label) > 1)
            raise SpecError(f"{owner}: the group {repeated!r} is declared twice")
        object.__setattr__(self, "groups", tuple(labels))
        require_positive(owner, mean_precision=self.mean_precision, shape=self.shape, rate=self.rate)

    def sample_globals(self, n_factors: int, device) -> Mapping[str, Tensor]:
        """Emit ``group_means`` and ``group_precisions``, (G, K) each."""
        one = torch.ones(n_factors, dtype=torch.float64, device=device)
        with pyro.plate("groups", len(self.groups), dim=-1):
            means = pyro.sample("group_means", dist.Normal(0 * one, self.mean_precision**-0.5).to_event(1))
            prior = dist.Gamma(self.shape * one, self.rate * one).to_event(1)
            precisions = pyro.sample("group_precisions", prior)
        return {"means": means, "precisions": precisions}

    def sample_rows(
        self, globals_: Mapping[str, Tensor], n_factors: int, device, groups: Tensor | None
    ) -> Tensor:
        """Emit ``factors`` (rows, K); rows of which no group is given are of each with the same probability."""
        means, precisions = globals_["means"], globals_["precisions"]
        scales = precisions.clamp_min(torch.finfo(precisions.dtype).tiny) ** -0.5
        if groups is not None:
            return pyro.sample("factors", dist.Normal(means[groups], scales[groups]).to_event(1))
        equal = dist.Categorical(logits=means.new_zeros(len(means)))
        mixed = dist.MixtureSameFamily(equal, dist.Normal(means, scales).to_event(1))
        return pyro.sample("factors", mixed)
