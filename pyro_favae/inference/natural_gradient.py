"""Weights under a prior that is not conjugate: natural-gradient steps that never lower the bound.

In place of log p(w) stands the Gaussian that has the slopes of E log p(w) in mean and variance. With it the closed
form of q(w̃_d) is a natural-gradient step of length 1; a shorter one goes part of the way in natural parameters
(Khan and Lin, "Conjugate-computation variational inference", 2017). Where a step ends, the bound has no slope.
"""

import torch
from torch import Tensor

from pyro_favae.inference.priors.base import NonConjugatePosterior
from pyro_favae.inference.statistics import ViewStatistics
from pyro_favae.inference.updates import (
    WeightsPosterior,
    likelihood_of_weights,
    squared_residuals,
    weights_parameters,
)

HALVINGS = 12  # of a step, before a feature's weights are left as they are
ROUNDING = 1e-13  # of a bound's size


def climb(
    statistics: ViewStatistics,
    q: WeightsPosterior,
    prior: NonConjugatePosterior,
    bias_precision: float,
    noise_precision: Tensor,
) -> WeightsPosterior:
    """One step of q(W, b), halved for each feature until its part of the bound does not fall."""
    q = WeightsPosterior(q.mean, q.covariance.expand(len(q.mean), -1, -1))
    prior.update(q.moments)
    target = weights_parameters(statistics, prior.precision, bias_precision, noise_precision, prior.shift)
    precision = torch.linalg.inv(q.covariance)
    linear = (precision @ q.mean[..., None])[..., 0]

    def worth(weights: WeightsPosterior) -> Tensor:
        """The part of the bound that each feature's weights and bias are in, (D,), nats."""
        second = weights.mean[:, -1].square() + weights.variance[:, -1]
        value = prior.density(weights.moments) - 0.5 * bias_precision * second
        value = value + likelihood_of_weights(statistics, weights)
        value = value - 0.5 * noise_precision * squared_residuals(statistics, weights)
        return value + 0.5 * torch.linalg.slogdet(weights.covariance).logabsdet

    before = worth(q)
    least = before - ROUNDING * before.abs()
    length = torch.ones_like(before)
    for _ in range(HALVINGS):
        trial, proper = _gaussian(
            precision.lerp(target.precision, length[:, None, None]),
            linear.lerp(target.linear, length[:, None]),
        )
        risen = proper & (worth(trial) >= least)
        if risen.all():
            return trial
        length = torch.where(risen, length, length / 2)
    mean = torch.where(risen[:, None], trial.mean, q.mean)
    return WeightsPosterior(mean, torch.where(risen[:, None, None], trial.covariance, q.covariance))


def _gaussian(precision: Tensor, linear: Tensor) -> tuple[WeightsPosterior, Tensor]:
    """Gaussians of natural parameters (D, L, L) and (D, L), and which of them are proper; others are standard."""
    roots, failed = torch.linalg.cholesky_ex((precision + precision.mT) / 2)
    proper = failed == 0
    roots = torch.where(proper[:, None, None], roots, torch.eye(precision.shape[-1]).to(roots))
    covariance = torch.cholesky_inverse(roots)
    return WeightsPosterior((covariance @ linear[..., None])[..., 0], covariance), proper
