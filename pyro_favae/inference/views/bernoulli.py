"""Inference of a binary view by Jaakkola's bound, with q(g, z) = q(g) q(z | g) kept exact given ξ."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.inference.bounds import jaakkola_bound, jaakkola_curvature
from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.statistics import ViewStatistics
from pyro_favae.inference.updates import LOG_2PI
from pyro_favae.inference.views.base import ViewInference, view_inference
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.views import Bernoulli, Emission

#: logits of the Gaussian stand-in that a binary view starts from
START_LOGIT = 5.0


class BernoulliRows(ViewRows):
    """z_d | g ~ N((x − ½ + τ(W̄g + b̄)) / p, 1/p) with p = τ + 2λ(ξ), each (rows, D)."""

    def __init__(self, posterior: ViewPosterior, observed: Tensor, data: Tensor) -> None:
        super().__init__(posterior, observed)
        self.data = data
        self.xi = torch.full_like(data, 1.0)
        self._at(self.xi)

    def _at(self, xi: Tensor) -> None:
        curvature = 2 * jaakkola_curvature(xi)
        self.total_precision = self.noise + curvature  # p
        self._row_precision = self.mask[:, None] * self.noise * curvature / self.total_precision

    @property
    def precision(self) -> Tensor:
        return self.weighted_covariance[:-1, :-1]

    @property
    def row_precision(self) -> Tensor:
        return self._row_precision

    @property
    def linear(self) -> Tensor:
        answer = (self.data - 0.5 + self.noise * self.weights.bias) / self.total_precision
        return self.mask[:, None] * (answer @ self.scaled_weights - self.weights_bias)

    def latent_means(self, rows: Rows) -> Tensor:
        return self.latent_mean(rows.factors)

    def latent_mean(self, factors: Tensor) -> Tensor:
        """E[z | g] at given factors, (rows, D)."""
        prior = factors @ self.weights.weights.mT + self.weights.bias
        return (self.data - 0.5 + self.noise * prior) / self.total_precision

    def _moments(self, rows: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (rows, D) and variance of z, and its covariance with g, (rows, D, K)."""
        shrinkage = self.noise / self.total_precision
        covariance = rows.projected_spread(self.weights.weights)
        projected = (covariance * self.weights.weights).sum(-1)
        variance = 1 / self.total_precision + shrinkage.square() * projected
        return self.latent_mean(rows.factors), variance, shrinkage[..., None] * covariance

    def refine(self, rows: Rows) -> float:
        """ξ² = <z²>, the optimum given q."""
        mean, variance, _ = self._moments(rows)
        xi = (mean.square() + variance).sqrt()
        change = ((xi - self.xi).abs() / self.xi * self.mask[:, None]).max()
        self.xi = xi
        self._at(xi)
        return float(change)

    def statistics(self, rows: Rows, gg: Tensor) -> ViewStatistics:
        mean, variance, covariance = self._moments(rows)
        mask = self.mask[:, None]
        g = torch.cat([rows.factors, torch.ones_like(mask)], 1)
        zg = (mask * mean).mT @ g
        zg[:, :-1] += (mask[..., None] * covariance).sum(0)
        second = mean.square() + variance
        bound = jaakkola_bound(self.data, mean, second, second.sqrt())
        entropy = 0.5 * (mask * (1 + LOG_2PI - self.total_precision.log())).sum()
        zz = (mask * second).sum(0)
        return ViewStatistics(self.mask.sum(), gg, zg, zz, (mask * bound).sum(), entropy)


class BernoulliInference(ViewInference):
    """Starts from labels read as real numbers at logit scale: from flat weights the bound creeps."""

    needs_start = True

    def rows(
        self, data: Tensor, observed: Tensor, posterior: ViewPosterior, emission: Emission
    ) -> BernoulliRows:
        return BernoulliRows(posterior, observed, data)

    def start(
        self, data: Tensor, observed: Tensor, posterior: ViewPosterior, emission: Emission
    ) -> GaussianRows:
        return GaussianRows(posterior, observed, START_LOGIT * (2 * data - 1))

    def sample_after(self, name: str, rows: BernoulliRows, factors: Tensor) -> None:
        scale = rows.total_precision**-0.5
        pyro.sample(f"{name}.latents", dist.Normal(rows.latent_mean(factors), scale).to_event(1))


@view_inference.register
def _(view: Bernoulli) -> BernoulliInference:
    return BernoulliInference()
