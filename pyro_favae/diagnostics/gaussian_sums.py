"""Sums over rows whose posteriors are Gaussian, and the closed-form information that follows from them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pyro_favae.diagnostics.row_sample import RowSample
from pyro_favae.errors import DataError, NumericalError

SAMPLE_NUMBERS = 2**19  # of the rows kept for standard errors: 2,048 rows of 128 means and variances


@dataclass(frozen=True)
class GaussianMarginal:
    """The Gaussian r(z) that is nearest to the mean of the rows' posteriors, float64."""

    mean: Tensor  # (D,)
    covariance: Tensor  # (D, D), V; its diagonal is v

    @property
    def variance(self) -> Tensor:
        """v, (D,)."""
        return self.covariance.diagonal()

    @cached_property
    def root(self) -> Tensor:
        """Lower Cholesky factor of V, (D, D); raises :class:`NumericalError` where V is singular to rounding."""
        root, failed = torch.linalg.cholesky_ex(self.covariance)
        if failed:
            raise NumericalError(
                "the covariance of the aggregate posterior is singular to rounding; dimensions that are copies of "
                "one another, almost without noise, are the usual cause"
            )
        return root

    @property
    def log_determinant(self) -> Tensor:
        """log|V|."""
        return 2 * self.root.diagonal().log().sum()

    def divergences(self, mean: Tensor, spread: Tensor) -> Tensor:
        """KL( q(z_nh) ‖ r(z_h) ) of each row and dimension, (n, D), in nats."""
        variance = variances_of(spread)
        relative = (variance + (mean - self.mean).square()) / self.variance
        return 0.5 * (self.variance.log() - variance.log() + relative - 1)

    def joint_divergences(self, mean: Tensor, spread: Tensor) -> Tensor:
        """KL( q(z_n) ‖ r(z) ) of each row, (n,), in nats."""
        precision = torch.cholesky_inverse(self.root)
        if spread.dim() == 2:
            within = spread @ precision.diagonal()
        else:
            within = spread.flatten(1) @ precision.flatten()
        deviation = (
            torch.linalg.solve_triangular(self.root, (mean - self.mean).mT, upper=False).square().sum(0)
        )
        logs = self.log_determinant - log_determinants(spread)
        return 0.5 * (logs + within + deviation - len(precision))


class GaussianSums:
    """Sums over rows q(z_n) = N(mean_n, spread_n); spread: variances (n, D), or covariances (n, D, D).

    Nothing of size N is held; sums over a batch are taken in its own type, and added up in float64. what: names the
    rows in errors. sample: how many rows are kept for standard errors, as many as 2¹⁹ numbers when None.
    """

    def __init__(self, what: str = "encoder moments", sample: int | None = None) -> None:
        self.what = what
        self.n = 0
        self._size = sample
        self._shape: torch.Size | None = None  # of a row's spread

    def add(self, mean: Tensor, spread: Tensor) -> None:
        """Add rows; raises :class:`DataError` for what are no moments of Gaussians."""
        mean, spread = mean.detach(), spread.detach()
        self._check(mean, spread)
        if not len(mean):
            return
        if self._shape is None:
            self._begin(mean, spread)
        deviation = mean - self._shift.to(mean)
        self.n += len(mean)
        self._deviation += deviation.sum(0)
        self._outer += deviation.mT @ deviation
        self._within += spread.sum(0)
        logs = variances_of(spread).log().sum(0)
        self._logs += logs
        self._log_determinant += logs.sum() if spread.dim() == 2 else log_determinants(spread).sum()
        self._sample.add(mean, spread)

    def _begin(self, mean: Tensor, spread: Tensor) -> None:
        size = mean.shape[1]
        self._shape = spread.shape[1:]
        width = size + self._shape.numel()
        self._sample = RowSample(self._size or max(2, SAMPLE_NUMBERS // width))
        self._shift = mean.mean(0).to(torch.float64)  # near the mean of all rows: no digits are lost to it
        self._deviation, self._logs = self._shift.new_zeros(2, size)
        self._outer = self._shift.new_zeros(size, size)
        self._within = self._shift.new_zeros(self._shape)
        self._log_determinant = self._shift.new_zeros(())

    def finish(self) -> None:
        """Raise :class:`DataError` unless there were two rows or more."""
        if self.n < 2:
            raise DataError(
                f"{self.what}: {self.n} {'row' if self.n == 1 else 'rows'}, expected two rows or more; what a row "
                "says is told from how rows differ"
            )

    def sample(self) -> tuple[Tensor, Tensor]:
        """Means and spreads of the rows kept for standard errors."""
        means, spreads = self._sample.rows()
        return means.to(torch.float64), spreads.to(torch.float64)

    @property
    def mean(self) -> Tensor:
        """Mean of the rows' means, (D,)."""
        return self._shift + self._deviation / self.n

    @property
    def covariance_of_means(self) -> Tensor:
        """Covariance of the rows' means, divided by n, (D, D)."""
        centre = self._deviation / self.n
        return self._outer / self.n - torch.outer(centre, centre)

    @property
    def mean_log_variance(self) -> Tensor:
        """Mean of log s_nh over the rows, (D,)."""
        return self._logs / self.n

    @property
    def mean_log_determinant(self) -> Tensor:
        """Mean of log|Σ_n| over the rows."""
        return self._log_determinant / self.n

    def marginal(self, zero_mean: bool) -> GaussianMarginal:
        """The best Gaussian r(z), or the best of mean zero: that of the same first two moments, or second moment."""
        within = self._within / self.n
        within = torch.diag(within) if within.dim() == 1 else within
        covariance = within + self.covariance_of_means
        if zero_mean:
            return GaussianMarginal(
                torch.zeros_like(self.mean), covariance + torch.outer(self.mean, self.mean)
            )
        return GaussianMarginal(self.mean, covariance)

    def _check(self, mean: Tensor, spread: Tensor) -> None:
        size = mean.shape[-1] if mean.dim() == 2 else None
        expected = [mean.shape, (*mean.shape, size)]
        if size is None or spread.shape not in expected:
            raise DataError(
                f"{self.what}: shapes {tuple(mean.shape)} and {tuple(spread.shape)}, expected means and variances "
                "both (n, D), one row for each row of data"
            )
        if self._shape is not None and spread.shape[1:] != self._shape:
            raise DataError(
                f"{self.what}: rows of {tuple(spread.shape[1:])} after rows of {tuple(self._shape)}, expected the "
                "same dimensions in every batch"
            )
        variance = variances_of(spread)
        if len(mean) and not (torch.isfinite(mean.sum() + variance.sum()) and variance.min() > 0):
            self._explain(mean, variance)

    def _explain(self, mean: Tensor, variance: Tensor) -> None:
        """Raise :class:`DataError` that says what is wrong with moments, if anything is."""
        bad = ~(torch.isfinite(mean) & torch.isfinite(variance))
        if bad.any():
            raise DataError(
                f"{self.what}: {_where(bad)} not finite, expected finite means and variances; missing rows and "
                "networks that diverged are the usual causes"
            )
        if (variance < 0).any():
            raise DataError(
                f"{self.what}: {_where(variance < 0)} a variance below 0, as low as {variance.min():.3g}, expected "
                "variances above 0; are they log variances?"
            )
        if (variance == 0).any():
            raise DataError(
                f"{self.what}: {_where(variance == 0)} a variance of 0: a dimension that is a function of the data "
                "says infinitely much of them; expected variances above 0; an encoder without noise, or one whose "
                "variance underflows, is the usual cause"
            )


def variances_of(spread: Tensor) -> Tensor:
    """Variances (n, D) of variances (n, D) or covariances (n, D, D)."""
    return spread if spread.dim() == 2 else spread.diagonal(dim1=1, dim2=2)


def log_determinants(spread: Tensor) -> Tensor:
    """log|Σ_n|, (n,), of variances (n, D) or covariances (n, D, D)."""
    return spread.log().sum(1) if spread.dim() == 2 else torch.linalg.slogdet(spread).logabsdet


def _where(bad: Tensor) -> str:
    """How many rows, and the first dimensions, in words."""
    dimensions = bad.any(0).nonzero()[:, 0].tolist()
    listed = ", ".join(map(str, dimensions[:5])) + (", …" if len(dimensions) > 5 else "")
    return f"{int(bad.any(1).sum())} of {len(bad)} rows have, in dimensions {listed},"
