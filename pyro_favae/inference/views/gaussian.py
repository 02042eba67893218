"""Rows of a view whose q(z) is a diagonal Gaussian, or a point, that does not depend on g."""

import torch
from torch import Tensor

from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.statistics import ViewStatistics
from pyro_favae.inference.updates import LOG_2PI


class GaussianRows(ViewRows):
    """z_n ~ N(mean_n, diag variance_n), each (rows, D); variance None where z is observed.

    ``log_likelihood``: what the data are worth given z, summed over the rows, in nats.
    """

    def __init__(
        self,
        posterior: ViewPosterior,
        observed: Tensor,
        mean: Tensor,
        variance: Tensor | None = None,
        log_likelihood: Tensor | None = None,
    ) -> None:
        super().__init__(posterior, observed)
        self.mean = mean.to(torch.float64) * self.mask[:, None]
        self._variance = None if variance is None else variance.to(torch.float64) * self.mask[:, None]
        self.log_likelihood = self.mean.new_zeros(()) if log_likelihood is None else log_likelihood

    @property
    def precision(self) -> Tensor:
        return self.weighted_second_moment[:-1, :-1]

    @property
    def latent_variance(self) -> Tensor | None:
        return self._variance

    @property
    def linear(self) -> Tensor:
        return self.mean @ self.scaled_weights - self.mask[:, None] * self.weights_bias

    def latent_means(self, rows: Rows) -> Tensor:
        return self.mean

    def statistics(self, rows: Rows, gg: Tensor) -> ViewStatistics:
        g = torch.cat([rows.factors, torch.ones_like(self.mask)[:, None]], 1)
        zg, zz = self.mean.mT @ g, self.mean.square().sum(0)
        entropy = self.mean.new_zeros(())
        if self._variance is not None:
            totals = rows.covariance.totals(self._variance)
            zg[:, :-1] += torch.einsum("pd,pkd->dk", totals, rows.gain(self))
            zz = zz + self._variance.sum(0)
            logs = self._variance.log().where(self.mask[:, None] > 0, 0.0)
            entropy = 0.5 * (logs.sum() + self.mask.sum() * self.mean.shape[1] * (1 + LOG_2PI))
        return ViewStatistics(self.mask.sum(), gg, zg, zz, self.log_likelihood, entropy)
