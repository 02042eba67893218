"""Rows of a view whose q(z) is a diagonal Gaussian, or a point, that does not depend on g."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.data.observed import Observed
from pyro_favae.inference.linear_algebra import pack
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.statistics import ViewStatistics
from pyro_favae.inference.updates import LOG_2PI


class GaussianRows(ViewRows):
    """z_n ~ N(mean_n, diag variance_n), each (rows, D); variance None where z is observed.

    ``log_likelihood``: what the data are worth given z, summed over the rows, in nats.
    """

    def __init__(
        self,
        view: ViewSnapshot,
        observed: Tensor | Observed,
        mean: Tensor,
        variance: Tensor | None = None,
        log_likelihood: Tensor | None = None,
    ) -> None:
        super().__init__(view, observed)
        self.mean = self._masked(mean.to(torch.float64))
        self._variance = None if variance is None else self._masked(variance.to(torch.float64))
        self.log_likelihood = self.mean.new_zeros(()) if log_likelihood is None else log_likelihood

    def _masked(self, values: Tensor) -> Tensor:
        return values if self.everywhere else values * self.mask

    @property
    def pattern(self) -> Tensor:
        return self.mask

    def pattern_precision(self, patterns: Tensor) -> Tensor:
        if patterns.shape[1] == 1:
            return patterns * pack(self.view.second_moment[:-1, :-1])
        return patterns @ self.view.factor_moments

    @property
    def latent_variance(self) -> Tensor | None:
        return self._variance

    @property
    def linear(self) -> Tensor:
        return self.mean @ self.view.scaled_weights - self._weights_bias

    @property
    def _weights_bias(self) -> Tensor:
        """Σ_d τ_d <w_d b_d> over what is observed, (rows or 1, K)."""
        if self.mask.shape[1] == 1:
            total = self.view.second_moment[:-1, -1]
            return total if self.everywhere else self.mask * total
        return self.mask @ self.view.weights_bias

    def latent_means(self, rows: Rows) -> Tensor:
        return self.mean

    def statistics(self, rows: Rows) -> ViewStatistics:
        zg = self.mean.mT @ torch.cat([rows.factors, rows.factors.new_ones(len(self.mean), 1)], 1)
        zz = torch.linalg.vector_norm(self.mean, dim=0).square()
        entropy = self.mean.new_zeros(())
        if self._variance is not None:
            zg[:, :-1] += rows.latents_with_factors(self)
            zz = zz + self._variance.sum(0)
            logs = self._variance.where(self.mask > 0, 1.0).log()
            entropy = 0.5 * (self.mask * (logs + 1 + LOG_2PI)).sum()
        gg = rows.observed_moments(self)
        return ViewStatistics(self.mask.sum(0), gg, zg, zz, self.log_likelihood, entropy)


def sample_gaussian(name: str, rows: GaussianRows) -> Tensor | None:
    """Emit the guide's ``latents`` where z is uncertain; returns how far they lie from their mean, (rows, D)."""
    if rows.latent_variance is None:
        return None
    scale = rows.latent_variance.sqrt().where(rows.mask > 0, 1.0)
    latents = dist.Normal(rows.mean, scale).mask(rows.mask > 0)
    return (pyro.sample(f"{name}.latents", latents.to_event(1)) - rows.mean) * rows.mask
