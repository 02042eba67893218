"""Small random problems that the tests of inference share, and how to read them into the oracle."""

from dataclasses import dataclass

import numpy as np
import torch

from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.rows import Rows, ViewRows, infer_rows
from pyro_favae.inference.views.bernoulli import BernoulliRows
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, Gamma, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Real
from tests import oracle

# name → views as (kind, features, per-feature noise), factors' prior
COMBINATIONS = {
    "real": ([("real", 5, False), ("real", 4, False), ("real", 2, False)], StandardNormal()),
    "noise of each feature": ([("real", 4, True), ("real", 3, False), ("real", 2, True)], StandardNormal()),
    "few binary features": ([("real", 4, False), ("binary", 2, False)], StandardNormal()),
    "many binary features": ([("real", 3, False), ("binary", 5, True)], StandardNormal()),
    "two binary views": ([("binary", 2, False), ("real", 3, False), ("binary", 4, False)], StandardNormal()),
    "encoder": ([("encoder", 4, False), ("real", 3, False), ("encoder", 2, True)], StandardNormal()),
    "mixture": ([("real", 4, False), ("real", 3, True)], Mixture(3, mean_precision=0.3, concentration=1.5)),
    "all": (
        [("real", 3, True), ("binary", 2, False), ("encoder", 3, False), ("real", 2, False)],
        Mixture(2, mean_precision=0.5, concentration=2.0),
    ),
    "all, many binary features": (
        [("encoder", 3, True), ("binary", 4, True), ("real", 3, False)],
        Mixture(2, mean_precision=0.5, concentration=2.0),
    ),
}
CLOSED_FORM = [name for name, (views, _) in COMBINATIONS.items() if all(v[0] != "encoder" for v in views)]


@dataclass
class Problem:
    """Rows, their posterior, and what q(z) of encoder views is."""

    declaration: FAVAE
    kinds: list[str]
    posterior: Posterior
    observed: list[torch.Tensor]  # (N,) booleans by view
    data: list[torch.Tensor]  # (N, D): latents, encoder means, or 0 and 1
    variance: list[torch.Tensor | None]  # (N, D) of encoder views

    @property
    def names(self) -> list[str]:
        return list(self.declaration.views)

    @property
    def n(self) -> int:
        return len(self.observed[0])

    def view_rows(self) -> list[ViewRows]:
        """Fresh rows of every view under the present posterior."""
        rows = []
        for v, kind in enumerate(self.kinds):
            view = self.posterior.views[v]
            if kind == "binary":
                rows.append(BernoulliRows(view, self.observed[v], self.data[v]))
            else:
                rows.append(GaussianRows(view, self.observed[v], self.data[v], self.variance[v]))
        return rows

    def infer(self, iterations: int = 200, tolerance: float = 0.0) -> Rows:
        return infer_rows(
            self.posterior, self.view_rows(), self.n, iterations=iterations, tolerance=tolerance
        )

    def bound(self, statistics) -> float:
        return sum(elbo_terms(self.posterior, statistics).values())

    def sweep(self, times: int) -> None:
        """Rows, then every global block."""
        for _ in range(times):
            self.posterior.update(self.infer(100, 1e-6).statistics())


def problem(name: str, *, n: int = 10, n_factors: int = 3, missing: bool = True, seed: int = 0) -> Problem:
    """A problem of :data:`COMBINATIONS` at a random posterior; row 0 lacks every view, the last none."""
    views, factors = COMBINATIONS[name]
    rng = np.random.default_rng(seed)
    declared = {}
    for i, (kind, features, per_feature) in enumerate(views):
        noise = Gamma(2.0, 1.5, per_feature=per_feature)
        weights = ARD(1.5, 0.7) if i == 0 else None
        make = Bernoulli if kind == "binary" else Real
        declared[f"{kind}{i}"] = make(features, weights=weights, noise=noise)
    declaration = FAVAE(declared, n_factors, weights=ARD(2.0, 2.0), factors=factors, bias_precision=0.2)
    posterior = Posterior(declaration)
    randomise(posterior, rng)
    observed, data, variance = [], [], []
    latent = rng.normal(size=(n, n_factors))
    for kind, features, _ in views:
        mask = rng.random(n) < (0.7 if missing else 2.0)
        mask[0], mask[-1] = not missing, True
        z = latent @ rng.normal(size=(n_factors, features)) + rng.normal(size=features)
        z = z + 0.5 * rng.normal(size=z.shape)
        z = (z > 0).astype(float) if kind == "binary" else z
        observed.append(torch.as_tensor(mask))
        data.append(torch.as_tensor(z * mask[:, None]))
        s = rng.gamma(2.0, 0.2, size=z.shape) * mask[:, None]
        variance.append(torch.as_tensor(s) if kind == "encoder" else None)
    return Problem(declaration, [view[0] for view in views], posterior, observed, data, variance)


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
        for values in (view.noise_shape, view.noise_rate, view.relevance.shape, view.relevance.rate):
            values.copy_(torch.as_tensor(1 + rng.gamma(2.0, size=values.shape)))
    if isinstance(posterior.factors.state_dict().get("dirichlet"), torch.Tensor):
        factors = posterior.factors
        factors.means.copy_(torch.as_tensor(1.5 * rng.normal(size=factors.means.shape)))
        factors.covariance.copy_(spd(rng, *factors.covariance.shape[:-1], scale=0.1))
        factors.dirichlet.copy_(torch.as_tensor(1 + rng.gamma(2.0, size=factors.dirichlet.shape)))


def oracle_views(problem: Problem, rows: Rows) -> list[oracle.View]:
    """The problem in the oracle's terms, with the ξ that the package's q was computed at."""
    views = []
    for v, (name, kind) in enumerate(zip(problem.names, problem.kinds, strict=True)):
        posterior = problem.posterior.views[v]
        d, size = posterior.weights_mean.shape
        noise = problem.declaration.noise_of(name)
        weights = problem.declaration.weights_of(name)
        views.append(
            oracle.View(
                kind=kind,
                observed=problem.observed[v].numpy(),
                data=problem.data[v].numpy(),
                mean=posterior.weights_mean.numpy().copy(),
                covariance=posterior.weights_covariance.expand(d, size, size).numpy().copy(),
                noise_shape=posterior.noise_shape.expand(d).numpy().copy(),
                noise_rate=posterior.noise_rate.expand(d).numpy().copy(),
                shared_noise=not noise.per_feature,
                noise_prior=(noise.shape, noise.rate),
                relevance_shape=posterior.relevance.shape.numpy().copy(),
                relevance_rate=posterior.relevance.rate.numpy().copy(),
                relevance_prior=(weights.shape, weights.rate),
                bias_precision=problem.declaration.bias_precision,
                variance=None if problem.variance[v] is None else problem.variance[v].numpy(),
                xi=rows.views[v].xi.numpy() if kind == "binary" else None,
            )
        )
    return views


def oracle_factors(problem: Problem) -> oracle.Factors:
    """The factors' prior and its posterior in the oracle's terms."""
    k, prior = problem.declaration.n_factors, problem.declaration.factors
    if isinstance(prior, StandardNormal):
        return oracle.Factors(np.zeros((1, k)), np.zeros((1, k, k)))
    factors = problem.posterior.factors
    return oracle.Factors(
        factors.means.numpy().copy(),
        factors.covariance.numpy().copy(),
        factors.dirichlet.numpy().copy(),
        prior.mean_precision,
        prior.concentration,
    )
