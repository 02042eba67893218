"""Closed-form updates and the bound's terms: pure functions, one equation each, in float64.

Notation of the FA-VAE paper: W̃ = [W, b] with L = K + 1 columns, g̃ = [g, 1]. A posterior covariance of the
rows w̃_d is (1, L, L) when all features share it and (D, L, L) otherwise; a precision τ is (1,) or (D,).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.special import digamma, gammaln

from pyro_favae.inference.linear_algebra import inverse_of_precision
from pyro_favae.inference.statistics import ViewStatistics

LOG_2PI = math.log(2 * math.pi)


class GammaPosterior(NamedTuple):
    """q = Gamma(shape, rate), element by element."""

    shape: Tensor
    rate: Tensor

    @classmethod
    def constant(cls, shape: float, rate: float, like: Tensor) -> "GammaPosterior":
        """One Gamma for all elements, as a prior is; of the type and on the device of ``like``."""
        return cls(like.new_tensor(shape), like.new_tensor(rate))

    def copy_(self, other: "GammaPosterior") -> None:
        """Take on another's values in place."""
        self.shape.copy_(other.shape)
        self.rate.copy_(other.rate)

    @property
    def mean(self) -> Tensor:
        return self.shape / self.rate

    @property
    def variance(self) -> Tensor:
        return self.shape / self.rate.square()

    @property
    def mean_inverse(self) -> Tensor:
        """E[1/τ], infinite where the shape is at most 1."""
        return torch.where(self.shape > 1, self.rate / (self.shape - 1).clamp_min(1e-300), torch.inf)

    def sample(self, n: int) -> Tensor:
        """n draws, (n, ...)."""
        return torch.distributions.Gamma(self.shape, self.rate).sample((n,))

    def draw(self) -> Tensor:
        """One draw, of the shape of the two."""
        draw = torch.distributions.Gamma(self.shape, self.rate, validate_args=False).sample()
        return draw.clamp_min(torch.finfo(draw.dtype).tiny)

    @property
    def mean_log(self) -> Tensor:
        return digamma(self.shape) - self.rate.log()


class WeightMoments(NamedTuple):
    """Mean and variance of each weight under q, bias excluded, (D, K)."""

    mean: Tensor
    variance: Tensor

    @property
    def second(self) -> Tensor:
        """<w_dk²>."""
        return self.mean.square() + self.variance


class WeightsPosterior(NamedTuple):
    """q(w̃_d) = N(mean_d, covariance_d): mean (D, L), covariance (1 or D, L, L)."""

    mean: Tensor
    covariance: Tensor

    @property
    def weights(self) -> Tensor:
        """Posterior mean of W, (D, K)."""
        return self.mean[:, :-1]

    @property
    def bias(self) -> Tensor:
        """Posterior mean of b, (D,)."""
        return self.mean[:, -1]

    @property
    def moments(self) -> WeightMoments:
        """Of single weights, bias excluded."""
        return WeightMoments(self.weights, self.variance[:, :-1])

    @property
    def variance(self) -> Tensor:
        """Posterior variance of W̃, (D, L)."""
        return self.covariance.diagonal(dim1=-2, dim2=-1).expand_as(self.mean)

    def sample(self, n: int) -> Tensor:
        """n draws of W̃, (n, D, L)."""
        q = torch.distributions.MultivariateNormal(self.mean, self.covariance)
        return q.sample((n,))

    @property
    def second_moment(self) -> Tensor:
        """Σ_d <w̃_d w̃_dᵀ>, (L, L)."""
        return self.weighted_second_moment(self.mean.new_ones(1))

    def weighted_second_moment(self, precision: Tensor) -> Tensor:
        """Σ_d τ_d <w̃_d w̃_dᵀ>, (L, L); precision (1,) or (D,)."""
        precision = precision.expand(len(self.mean))
        outer = (self.mean.mT * precision) @ self.mean
        return outer + self.weighted_covariance(precision)

    def weighted_covariance(self, precision: Tensor) -> Tensor:
        """Σ_d τ_d Cov(w̃_d), (L, L)."""
        precision = precision.expand(len(self.mean))
        if len(self.covariance) == 1:
            return precision.sum() * self.covariance[0]
        return torch.einsum("d,dij->ij", precision, self.covariance)


class NaturalParameters(NamedTuple):
    """q(w̃_d) ∝ exp(linear_dᵀ w̃_d − ½ w̃_dᵀ precision_d w̃_d): precision (1 or D, L, L), linear (D, L)."""

    precision: Tensor
    linear: Tensor


def weights_parameters(
    statistics: ViewStatistics,
    prior_precision: Tensor,
    bias_precision: float,
    noise_precision: Tensor,
    prior_shift: Tensor | None = None,
) -> NaturalParameters:
    """What prior and data say of weights and bias: diag(<α>, ν) + <τ> S_gg, and <τ> S_zg.

    prior_precision: <α>, (K,) or (D, K); prior_shift: of a prior that is not centred, its linear term, (D, K).
    """
    bias = prior_precision.new_full((*prior_precision.shape[:-1], 1), bias_precision)
    precision = torch.diag_embed(torch.cat([prior_precision, bias], -1))
    precision = precision + noise_precision[:, None, None] * statistics.gg
    right = noise_precision[:, None] * statistics.zg
    if statistics.likelihood_gg is not None and statistics.likelihood_zg is not None:
        precision = precision + statistics.likelihood_gg
        right = right + statistics.likelihood_zg
    if prior_shift is not None:
        right = right + pad(prior_shift, (0, 1))
    return NaturalParameters(precision, right)


def update_weights(
    statistics: ViewStatistics, prior_precision: Tensor, bias_precision: float, noise_precision: Tensor
) -> WeightsPosterior:
    """Joint update of weights and bias: Σ_w̃ = (diag(<α>, ν) + <τ> S_gg)⁻¹, W̃ = <τ> S_zg Σ_w̃ (Table 1).

    prior_precision: <α>, (K,) or (D, K). The covariance is shared by all features where nothing in it differs.
    """
    precision, linear = weights_parameters(statistics, prior_precision, bias_precision, noise_precision)
    covariance = inverse_of_precision(precision, "weights")
    if len(covariance) == 1:
        return WeightsPosterior(linear @ covariance[0], covariance)
    return WeightsPosterior((linear[:, None] @ covariance)[:, 0], covariance)


def expected_log_likelihood(statistics: ViewStatistics, weights: WeightsPosterior) -> Tensor:
    """What the data are worth given z, where q(z) may follow the weights, in nats."""
    return statistics.log_likelihood + likelihood_of_weights(statistics, weights).sum()


def likelihood_of_weights(statistics: ViewStatistics, weights: WeightsPosterior) -> Tensor:
    """The part of it that follows the weights of each feature, (D,)."""
    if statistics.likelihood_gg is None or statistics.likelihood_zg is None:
        return statistics.zz.new_zeros(len(weights.mean))
    linear = (weights.mean * statistics.likelihood_zg).sum(1)
    return linear - 0.5 * _expected_quadratic(statistics.likelihood_gg, weights)


def squared_residuals(statistics: ViewStatistics, weights: WeightsPosterior) -> Tensor:
    """Σ_n <(z_nd − w̃_dᵀ g̃_n)²> for each feature, (D,). Table 1, with <z²> where the paper prints x²."""
    linear = (weights.mean * statistics.zg).sum(1)
    return statistics.zz - 2 * linear + _expected_quadratic(statistics.gg, weights)


def _expected_quadratic(gg: Tensor, weights: WeightsPosterior) -> Tensor:
    """<w̃_dᵀ gg_d w̃_d> for gg (1 or D, L, L): (D,)."""
    mean, covariance = weights
    if len(gg) == 1:
        product = mean @ gg[0]
    else:
        product = (mean[:, None] @ gg)[:, 0]
    return (product * mean).sum(1) + (covariance * gg).sum((-2, -1))


def update_gamma(prior: GammaPosterior, count: Tensor | float, squares: Tensor) -> GammaPosterior:
    """Gamma posterior of a precision from ``count`` Gaussian terms whose squares sum to ``squares``.

    shape + count/2, rate + squares/2: Table 1's α (count D) and τ (count n D). The authors' code divides both
    by D, which keeps the mean and spoils the variance.
    """
    shape = (prior.shape + torch.as_tensor(count).to(squares) / 2).expand_as(squares)
    return GammaPosterior(shape.clone(), prior.rate + squares / 2)


def gamma_divergence(q: GammaPosterior, prior: GammaPosterior) -> Tensor:
    """KL(q ‖ prior) between Gammas, summed, in nats."""
    a, b = prior
    kl = (q.shape - a) * digamma(q.shape) - gammaln(q.shape) + gammaln(a)
    kl = kl + a * (q.rate.log() - b.log()) + q.shape * (b - q.rate) / q.rate
    return kl.sum()


def expected_log_latents(
    statistics: ViewStatistics, weights: WeightsPosterior, noise_mean: Tensor, noise_mean_log: Tensor
) -> Tensor:
    """Σ_n E_q log N(z_n | W g_n + b, 1/τ), in nats, with <τ> and <log τ>."""
    residuals = squared_residuals(statistics, weights)
    features = len(residuals)
    logs = statistics.n * (noise_mean_log - LOG_2PI).expand(features)
    return 0.5 * (logs - noise_mean.expand(features) * residuals).sum()


def gaussian_entropy(covariance: Tensor, copies: int = 1) -> Tensor:
    """Entropy of Gaussians (B, L, L), summed, in nats; ``copies`` of each."""
    size = covariance.shape[-1]
    log_determinant = torch.linalg.slogdet(covariance).logabsdet.sum()
    return 0.5 * copies * (len(covariance) * size * (1 + LOG_2PI) + log_determinant)
