"""Influential factors: how much each latent dimension says of the data.

Mutual information of data and latent under an encoder, against the closed-form optimal Gaussian marginal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from pyro_favae.data import given_views, known_views, prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.results import Fit
from pyro_favae.results.predictive import CHUNK, inferred


@dataclass(frozen=True, eq=False)
class MutualInformation:
    """Estimated information between the data and each of D dimensions, with what the rows leave uncertain."""

    nats: np.ndarray  # (D,)
    standard_error: np.ndarray  # (D,) nats, from the spread over rows
    total: float  # nats, of all dimensions together
    total_standard_error: float  # nats

    @property
    def bits(self) -> np.ndarray:
        """The same in bits, (D,)."""
        return self.nats / log(2)

    @property
    def ranking(self) -> np.ndarray:
        """Dimensions (D,), the most influential first."""
        return np.argsort(-self.nats, kind="stable")


def mutual_information(mean: ArrayLike, variance: ArrayLike) -> MutualInformation:
    """Information between rows and the dimensions of a latent, from encoder moments, each (n, D).

    Î_h = 1/n Σ_n KL( N(μ_nh, s_nh) ‖ r_h ) = ½ log v_h − ½ mean_n log s_nh, with r_h the best Gaussian marginal:
    mean that of μ_h, variance v_h = mean of s_h + variance of μ_h. The total is Σ_h Î_h. Consistent where the
    aggregate posterior is near Gaussian; elsewhere an upper bound, by KL(q(z_h) ‖ r_h) a dimension, and the total
    counts what dimensions have in common more than once.

    The standard error is that of the mean over rows; estimating r from the same rows adds nothing to first order.
    """
    mean, variance = _checked(mean, variance)
    deviation = mean - mean.mean(0)
    spread = (variance + np.square(deviation)).mean(0)  # v, (D,)
    relative = (variance + np.square(deviation)) / spread
    divergence = 0.5 * (np.log(spread) - np.log(variance) + relative - 1)  # (n, D)
    nats = divergence.mean(0)
    return MutualInformation(
        nats, _standard_error(divergence), float(nats.sum()), float(_standard_error(divergence.sum(1)))
    )


@torch.no_grad()
def influence(fit: Fit, view: str, data: Any) -> MutualInformation:
    """What each latent dimension of an encoder view says of its data (rows, *event), in nats.

    Rows that lack the view are left out. Raises :class:`SpecError` for a view without an encoder.
    """
    known_views(fit.declaration, {view: None})
    if not fit.guide.inference(view).trained_by_gradient:
        kind = type(fit.declaration.views[view]).__name__
        raise SpecError(
            f"influence: view {view!r} is a {kind}, expected one with an encoder, such as an Image"
        )
    moments = []
    for batch in given_views(fit.declaration, {view: data}).in_order(CHUNK, fit.guide.device):
        encoded = fit.guide.view_rows(batch.data, batch.observed)[view].encoded
        moments.append(torch.stack(encoded).to(torch.float64).cpu())
    return mutual_information(*torch.cat(moments, 1).numpy())


@torch.no_grad()
def factor_influence(fit: Fit, data: Mapping[str, Any]) -> MutualInformation:
    """What each shared factor says of the data of all views, in nats; moments of q(g_n) as the encoder's.

    The total uses the joint covariances, ½ log|V| − ½ mean_n log|Σ_n|, so that what factors have in
    common counts once. Under a
    mixture of factors q(g_n) is matched by a Gaussian.
    """
    dataset = prepare(fit.declaration, data)
    means, variances, covariance = [], [], 0.0
    for rows in inferred(fit.guide, dataset):
        spread = rows.spread()
        means.append(rows.factors)
        variances.append(spread.diagonal(dim1=1, dim2=2))
        covariance = covariance + spread.sum(0) / len(dataset)
    mean, variance = torch.cat(means), torch.cat(variances)
    centre = mean.mean(0)
    marginal = covariance + torch.cov(mean.mT, correction=0).reshape(covariance.shape)  # V
    divergence = [
        _divergence(rows.factors - centre, rows.spread(), marginal) for rows in inferred(fit.guide, dataset)
    ]
    joint = torch.cat(divergence).cpu().numpy()
    single = mutual_information(mean.cpu().numpy(), variance.cpu().numpy())
    return MutualInformation(
        single.nats, single.standard_error, float(joint.mean()), float(_standard_error(joint))
    )


def _divergence(deviation: Tensor, covariance: Tensor, marginal: Tensor) -> Tensor:
    """KL( N(deviation, covariance) ‖ N(0, marginal) ) of each row, (rows,), in nats."""
    second = covariance + deviation[:, :, None] * deviation[:, None, :]
    relative = torch.linalg.solve(marginal, second).diagonal(dim1=1, dim2=2).sum(1)
    logs = torch.linalg.slogdet(marginal).logabsdet - torch.linalg.slogdet(covariance).logabsdet
    return 0.5 * (logs + relative - len(marginal))


def _standard_error(values: np.ndarray) -> np.ndarray:
    """Of the mean over rows (n, ...)."""
    return values.std(0, ddof=1) / np.sqrt(len(values))


def _checked(mean: ArrayLike, variance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    mean, variance = (np.asarray(v, dtype=np.float64) for v in (mean, variance))
    if mean.ndim != 2 or mean.shape != variance.shape or len(mean) < 2:
        raise DataError(
            f"encoder moments of shapes {mean.shape} and {variance.shape}, expected both (n, D) with two rows or more"
        )
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance > 0).all()):
        raise DataError(
            "encoder moments: expected finite means and variances above 0; are they log variances or standard "
            "deviations, or is a row missing?"
        )
    return mean, variance
