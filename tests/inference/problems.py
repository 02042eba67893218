"""Small random problems that the tests of inference share, and how to read them into the oracle."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.row_inference import infer_rows
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.snapshot import Snapshot, ViewSnapshot
from pyro_favae.inference.views.bernoulli import BernoulliRows
from pyro_favae.inference.views.categorical import CategoricalRows
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, Gamma, Grouped, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Categorical, Real
from tests import oracle


class Kind(NamedTuple):
    """What a view of a problem is."""

    name: str  # "real", "encoder", "binary" or "categorical"
    features: int
    per_feature: bool = False  # noise
    entries: bool = False  # whether single entries are missing


PROPER = {"weights": ARD(2.0, 2.0), "noise": Gamma(2.0, 2.0), "bias_precision": 1.0}
MIXTURE = Mixture(2, mean_precision=0.5, concentration=2.0)
COMBINATIONS = {
    "real": ([Kind("real", 5), Kind("real", 4), Kind("real", 2)], StandardNormal()),
    "noise of each feature": (
        [Kind("real", 4, per_feature=True), Kind("real", 2), Kind("real", 2, per_feature=True)],
        StandardNormal(),
    ),
    "missing entries": (
        [Kind("real", 5, entries=True), Kind("real", 4, per_feature=True, entries=True), Kind("real", 3)],
        StandardNormal(),
    ),
    "few binary features": ([Kind("real", 4), Kind("binary", 2)], StandardNormal()),
    "many binary features": ([Kind("real", 3), Kind("binary", 5, per_feature=True)], StandardNormal()),
    "two binary views": ([Kind("binary", 2), Kind("real", 3), Kind("binary", 4)], StandardNormal()),
    "missing binary entries": (
        [Kind("binary", 4, entries=True), Kind("real", 3, per_feature=True, entries=True)],
        StandardNormal(),
    ),
    "categorical": ([Kind("real", 3), Kind("categorical", 4)], StandardNormal()),
    "two categorical views": (
        [Kind("categorical", 2), Kind("categorical", 3, per_feature=True), Kind("binary", 2)],
        StandardNormal(),
    ),
    "encoder": (
        [Kind("encoder", 4), Kind("real", 3), Kind("encoder", 2, per_feature=True)],
        StandardNormal(),
    ),
    "encoder and missing entries": (
        [Kind("encoder", 3), Kind("real", 4, entries=True), Kind("binary", 2, entries=True)],
        StandardNormal(),
    ),
    "mixture": (
        [Kind("real", 4), Kind("real", 3, per_feature=True)],
        Mixture(3, mean_precision=0.3, concentration=1.5),
    ),
    "groups": (
        [Kind("real", 4), Kind("real", 3, per_feature=True), Kind("real", 2)],
        Grouped(("first", "second"), mean_precision=0.4, shape=3.0, rate=2.5),
    ),
    "groups, missing entries": (
        [Kind("real", 4, entries=True), Kind("binary", 3, entries=True), Kind("encoder", 2)],
        Grouped(("first", "second", "third"), mean_precision=0.8, shape=4.0, rate=4.0),
    ),
    "groups, many binary features": (
        [Kind("binary", 4, per_feature=True), Kind("categorical", 3), Kind("encoder", 3, True)],
        Grouped(("first", "second"), mean_precision=0.3, shape=2.0, rate=3.0),
    ),
    "all": (
        [
            Kind("real", 3, per_feature=True, entries=True),
            Kind("binary", 2),
            Kind("encoder", 3),
            Kind("categorical", 3),
            Kind("real", 2),
        ],
        MIXTURE,
    ),
    "all, many binary features": (
        [Kind("encoder", 3, per_feature=True), Kind("binary", 4, True, entries=True), Kind("real", 3)],
        MIXTURE,
    ),
}
CLOSED_FORM = [name for name, (views, _) in COMBINATIONS.items() if all(v.name != "encoder" for v in views)]
LOGISTIC = {"binary": BernoulliRows, "categorical": CategoricalRows}


@dataclass
class Problem:
    """Rows, their posterior, and what q(z) of encoder views is."""

    declaration: FAVAE
    kinds: list[str]
    posterior: Posterior
    observed: list[torch.Tensor]  # (N, 1) or (N, D) booleans by view
    data: list[torch.Tensor]  # (N, D): latents, encoder means, 0 and 1, or one-hot classes
    variance: list[torch.Tensor | None]  # (N, D) of encoder views
    groups: torch.Tensor | None = None  # (N,) where the factors' prior has groups

    @property
    def names(self) -> list[str]:
        return list(self.declaration.views)

    @property
    def n(self) -> int:
        return len(self.observed[0])

    def part(self, rows) -> "Problem":
        """The same with some of the rows."""
        return Problem(
            self.declaration,
            self.kinds,
            self.posterior,
            [mask[rows] for mask in self.observed],
            [values[rows] for values in self.data],
            [None if values is None else values[rows] for values in self.variance],
            None if self.groups is None else self.groups[rows],
        )

    def view_rows(self, snapshot: Snapshot | None = None) -> list[ViewRows]:
        """Fresh rows of every view, under the present posterior if no snapshot is given."""
        snapshot = snapshot or Snapshot(self.posterior)
        return [self._rows(v, snapshot.views[name]) for v, name in enumerate(self.names)]

    def _rows(self, v: int, view: ViewSnapshot) -> ViewRows:
        if self.kinds[v] in LOGISTIC:
            return LOGISTIC[self.kinds[v]](view, self.observed[v], self.data[v])
        return GaussianRows(view, self.observed[v], self.data[v], self.variance[v])

    def infer(
        self, iterations: int = 200, tolerance: float = 1e-12, snapshot: Snapshot | None = None
    ) -> Rows:
        snapshot = snapshot or Snapshot(self.posterior)
        return infer_rows(
            snapshot,
            self.view_rows(snapshot),
            self.n,
            iterations=iterations,
            tolerance=tolerance,
            groups=self.groups,
        )

    def bound(self, statistics) -> float:
        return sum(elbo_terms(self.posterior, statistics).values())

    def sweep(self, times: int) -> None:
        """Rows, then every global block."""
        for _ in range(times):
            self.posterior.update(self.infer(100, 1e-6).statistics())


def problem(name: str, *, n: int = 10, n_factors: int = 3, missing: bool = True, seed: int = 0) -> Problem:
    """A problem of :data:`COMBINATIONS` at a random posterior; row 0 lacks every view, the last nothing."""
    kinds, factors = COMBINATIONS[name]
    rng = np.random.default_rng(seed)
    declared = {}
    for i, kind in enumerate(kinds):
        noise = Gamma(2.0, 1.5, per_feature=kind.per_feature)
        weights = ARD(1.5, 0.7) if i == 0 else None
        make = {"binary": Bernoulli, "categorical": Categorical}.get(kind.name, Real)
        declared[f"{kind.name}{i}"] = make(kind.features, weights=weights, noise=noise)
    declaration = FAVAE(declared, n_factors, weights=ARD(2.0, 2.0), factors=factors, bias_precision=0.2)
    posterior = Posterior(declaration)
    randomise(posterior, rng)
    observed, data, variance = [], [], []
    latent = rng.normal(size=(n, n_factors))
    for kind in kinds:
        share = 0.7 if missing else 2.0
        mask = rng.random((n, 1)) < share
        if kind.entries:
            mask = mask & (rng.random((n, kind.features)) < share)
        mask[0], mask[-1] = not missing, True
        z = latent @ rng.normal(size=(n_factors, kind.features)) + rng.normal(size=kind.features)
        z = as_data(kind.name, z + 0.5 * rng.normal(size=z.shape))
        observed.append(torch.as_tensor(mask))
        data.append(torch.as_tensor(z * mask))
        s = rng.gamma(2.0, 0.2, size=z.shape) * mask
        variance.append(torch.as_tensor(s) if kind.name == "encoder" else None)
    groups = None
    if isinstance(factors, Grouped):
        groups = torch.as_tensor(rng.integers(0, len(factors.groups), size=n))
        groups[: len(factors.groups)] = torch.arange(len(factors.groups))
    return Problem(declaration, [kind.name for kind in kinds], posterior, observed, data, variance, groups)


def as_data(kind: str, latents: np.ndarray) -> np.ndarray:
    """Data (N, D) that latents of a kind of view are likely to give."""
    if kind == "binary":
        return (latents > 0).astype(float)
    if kind == "categorical":
        return np.eye(latents.shape[1])[latents.argmax(1)]
    return latents


def spd(rng: np.random.Generator, *shape: int, scale: float) -> torch.Tensor:
    """Random positive-definite matrices (..., K, K)."""
    root = rng.normal(size=(*shape, shape[-1]))
    return torch.as_tensor(scale * (root @ root.swapaxes(-1, -2) / shape[-1] + 0.3 * np.eye(shape[-1])))


@torch.no_grad()
def randomise(posterior: Posterior, rng: np.random.Generator) -> None:
    """Put a posterior at no special point."""
    for view in posterior.views:
        view.weights_mean.copy_(torch.as_tensor(0.7 * rng.normal(size=view.weights_mean.shape)))
        shape = view.weights_covariance.shape
        view.weights_covariance.copy_(spd(rng, *shape[:-1], scale=0.05))
        for values in (view.noise.shape, view.noise.rate, view.relevance.shape, view.relevance.rate):
            values.copy_(torch.as_tensor(1 + rng.gamma(2.0, size=values.shape)))
    factors, state = posterior.factors, posterior.factors.state_dict()
    if "means" in state:
        factors.means.copy_(torch.as_tensor(1.5 * rng.normal(size=factors.means.shape)))
        factors.covariance.copy_(spd(rng, *factors.covariance.shape[:-1], scale=0.1))
    if "dirichlet" in state:
        factors.dirichlet.copy_(torch.as_tensor(1 + rng.gamma(2.0, size=factors.dirichlet.shape)))
    if "scatter" in state:
        factors.scatter.copy_(spd(rng, *factors.scatter.shape[:-1], scale=4.0))
        factors.counts.copy_(torch.as_tensor(1 + rng.gamma(3.0, size=factors.counts.shape)))


def oracle_views(problem: Problem, rows: Rows) -> list[oracle.View]:
    """The problem in the oracle's terms, with the bounds on logits that the package's q was computed at."""
    views = []
    for v, (name, kind) in enumerate(zip(problem.names, problem.kinds, strict=True)):
        posterior = problem.posterior.views[v]
        d, size = posterior.weights_mean.shape
        noise = problem.declaration.noise_of(name)
        weights = problem.declaration.weights_of(name)
        local = rows.views[v]
        views.append(
            oracle.View(
                kind=kind,
                observed=problem.observed[v].expand(-1, d).numpy(),
                data=problem.data[v].numpy(),
                mean=posterior.weights_mean.numpy().copy(),
                covariance=posterior.weights_covariance.expand(d, size, size).numpy().copy(),
                noise_shape=posterior.noise.shape.expand(d).numpy().copy(),
                noise_rate=posterior.noise.rate.expand(d).numpy().copy(),
                shared_noise=not noise.per_feature,
                noise_prior=(noise.shape, noise.rate),
                relevance_shape=posterior.relevance.shape.numpy().copy(),
                relevance_rate=posterior.relevance.rate.numpy().copy(),
                relevance_prior=(weights.shape, weights.rate),
                bias_precision=problem.declaration.bias_precision,
                variance=None if problem.variance[v] is None else problem.variance[v].numpy(),
                xi=local.xi.numpy() if kind in LOGISTIC else None,
                shift=local.shift[:, 0].numpy() if kind == "categorical" else np.zeros(problem.n),
            )
        )
    return views


def oracle_factors(problem: Problem) -> oracle.Factors:
    """The factors' prior and its posterior in the oracle's terms."""
    k, prior = problem.declaration.n_factors, problem.declaration.factors
    if isinstance(prior, StandardNormal):
        return oracle.Factors(np.zeros((1, k)), np.zeros((1, k, k)))
    factors = problem.posterior.factors
    if isinstance(prior, Grouped):
        return oracle.Factors(
            factors.means.numpy().copy(),
            factors.covariance.numpy().copy(),
            mean_precision=prior.mean_precision,
            labels=problem.groups.numpy(),
            scale_shape=factors.precisions.shape.numpy().copy(),
            scale_rate=factors.precisions.rate.numpy().copy(),
            scale_prior=(prior.shape, prior.rate),
        )
    return oracle.Factors(
        factors.means.numpy().copy(),
        factors.covariance.numpy().copy(),
        factors.dirichlet.numpy().copy(),
        prior.mean_precision,
        prior.concentration,
    )
