"""Mutual information of data and latents under Gaussian posteriors, against the closed-form optimal marginal.

*Discovering Influential Factors in Variational Autoencoders*: Definitions 1 and 2, Corollary 1, Algorithm 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.diagnostics.gaussian_sums import GaussianMarginal, GaussianSums
from pyro_favae.errors import DataError, SpecError

ROUNDING = 9  # decimals of a count of dimensions: 7 % of 100 are 7
MARGINALS = ("matched", "zero-mean")
Marginal = Literal["matched", "zero-mean"]


@dataclass(frozen=True, eq=False)
class MutualInformation:
    """Estimated information between the data and each of D dimensions, with what the rows leave uncertain.

    Standard errors are those of means over rows, taken as independent; all but counts are in nats.
    """

    nats: np.ndarray  # (D,) Î(x; z_h), Definition 2
    standard_error: np.ndarray  # (D,)
    total: float  # of all dimensions: Σ_h Î(x; z_h), Definition 1, of an encoder; `joint` of shared factors
    total_standard_error: float
    joint: float  # with the full covariance of the marginal: what dimensions have in common counts once
    joint_standard_error: float
    divergence: np.ndarray  # (D,) mean KL( q(z_h | x_n) ‖ p(z_h) ) from the prior, at least `nats`
    bound: float  # mean KL( q(z | x_n) ‖ Π_h p(z_h) ), at least the total
    variance: np.ndarray  # (D,) of the posterior means over rows: the indicator that information replaces
    marginal_mean: np.ndarray  # (D,) of r*(z_h)
    marginal_variance: np.ndarray  # (D,) of r*(z_h)
    n_rows: int

    @property
    def bits(self) -> np.ndarray:
        """The information of each dimension in bits, (D,)."""
        return self.nats / log(2)

    @property
    def total_bits(self) -> float:
        """The total in bits."""
        return self.total / log(2)

    @property
    def ranking(self) -> np.ndarray:
        """Dimensions (D,), the most influential first."""
        return np.argsort(-self.nats, kind="stable")

    def top(self, share: float) -> np.ndarray:
        """The most influential dimensions, a share of them all from 0 to 1, rounded up.

        So does the paper in its Tables 2 and 3: only with 2, 3, 4, 6, 7, 9 and 13 of its 128 dimensions in the shares
        from 1 to 10 % does what each further one adds fall steadily.
        """
        if not 0 <= share <= 1:
            raise SpecError(f"top: share is {share!r}, expected a number from 0 to 1")
        return self.ranking[: ceil(round(share * len(self.nats), ROUNDING))]

    def kept(self, share: float) -> float:
        """Nats in :meth:`top`, the dimensions' own added up."""
        return float(self.nats[self.top(share)].sum())

    def to_frame(self) -> pd.DataFrame:
        """One row a dimension."""
        return pd.DataFrame(
            {
                "nats": self.nats,
                "standard_error": self.standard_error,
                "bits": self.bits,
                "divergence": self.divergence,
                "variance": self.variance,
            }
        ).rename_axis("dimension")


def mutual_information(mean: Any, variance: Any, marginal: Marginal = "matched") -> MutualInformation:
    """Information between rows and the dimensions of a latent, from encoder moments, each (n, D).

    Î_h = 1/n Σ_n KL( N(μ_nh, s_nh) ‖ r*_h ) = ½ log v_h − ½ mean_n log s_nh, with r*_h the Gaussian that makes it
    least. marginal: ``"matched"``, of mean m_h = mean of μ_h and v_h = mean of s_h + variance of μ_h; or
    ``"zero-mean"``, as in the paper, v_h = mean of s_h + μ_h². Consistent where the aggregate posterior is near r*
    (Theorem 6); elsewhere an upper bound, by KL(q(z_h) ‖ r*_h) a dimension. The total Σ_h Î_h (Theorem 3) counts
    what dimensions have in common more than once, ``joint`` does not. The prior of ``divergence`` and ``bound`` is
    N(0, I).

    Standard errors are those of the mean of KL(q(z_n) ‖ r*) over rows: r* makes that mean least, so that estimating
    it from the same rows changes nothing to first order. Arrays or tensors; raises :class:`DataError` for what are
    no means and variances of two rows or more.
    """
    mean, variance = _tensor("means", mean), _tensor("variances", variance)
    sums = GaussianSums(sample=len(mean) if mean.dim() else None)
    sums.add(mean, variance)
    return information_of(sums, marginal)


def streamed_mutual_information(
    batches: Iterable[tuple[Any, Any]], marginal: Marginal = "matched"
) -> MutualInformation:
    """The same from batches of means and variances, each (rows, D), of which only sums are kept.

    Standard errors are exact up to 2¹⁸ / D rows and from a random sample of as many beyond.
    """
    sums = GaussianSums()
    for mean, variance in batches:
        sums.add(_tensor("means", mean), _tensor("variances", variance))
    return information_of(sums, marginal)


@torch.no_grad()
def information_of(
    sums: GaussianSums, marginal: Marginal, prior: tuple[Tensor, Tensor] | None = None
) -> MutualInformation:
    """What sums over rows say; prior: means and variances of Π_h p(z_h), each (D,), N(0, I) when None."""
    if marginal not in MARGINALS:
        raise SpecError(f"marginal is {marginal!r}, expected one of {', '.join(map(repr, MARGINALS))}")
    sums.finish()
    best = sums.marginal(zero_mean=marginal == "zero-mean")
    nats = 0.5 * (best.variance.log() - sums.mean_log_variance)
    joint = 0.5 * (best.log_determinant - sums.mean_log_determinant)
    divergence, bound = _from_prior(sums, prior)
    errors = _standard_errors(sums, best)
    return MutualInformation(
        nats=_array(nats),
        standard_error=_array(errors[0]),
        total=float(nats.sum()),
        total_standard_error=float(errors[1]),
        joint=float(joint),
        joint_standard_error=float(errors[2]),
        divergence=_array(divergence),
        bound=float(bound),
        variance=_array(sums.covariance_of_means.diagonal()),
        marginal_mean=_array(best.mean),
        marginal_variance=_array(best.variance),
        n_rows=sums.n,
    )


def _from_prior(sums: GaussianSums, prior: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Mean divergence from a factorised Gaussian prior, by dimension (D,) and of the whole."""
    mean, variance = prior or (torch.zeros_like(sums.mean), torch.ones_like(sums.mean))
    around = sums.marginal(zero_mean=False).variance + (sums.mean - mean).square()
    cross = variance.log() + around / variance - 1
    return 0.5 * (cross - sums.mean_log_variance), 0.5 * (cross.sum() - sums.mean_log_determinant)


def _standard_errors(sums: GaussianSums, best: GaussianMarginal) -> tuple[Tensor, Tensor, Tensor]:
    """Of each dimension's information (D,), of their sum and of the joint information."""
    rows = sums.sample()
    single, joint = best.divergences(*rows), best.joint_divergences(*rows)
    return tuple(values.std(0) / sums.n**0.5 for values in (single, single.sum(1), joint))


def _tensor(what: str, values: Any) -> Tensor:
    """A copy, so that a stream may fill one buffer again and again."""
    if isinstance(values, Tensor):
        return values.detach().clone()
    try:
        return torch.tensor(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what} are a {type(values).__name__}, expected an array of numbers (n, D): {error}"
        ) from error


def _array(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()
