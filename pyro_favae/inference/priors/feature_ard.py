"""q of the relevances of factors and of features."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.inference.priors.base import Sites, WeightPriorPosterior, weight_prior_posterior
from pyro_favae.inference.scale_step import draw_scale
from pyro_favae.inference.updates import (
    LOG_2PI,
    GammaPosterior,
    WeightMoments,
    gamma_divergence,
    update_gamma,
)
from pyro_favae.models.priors import FeatureARD

ROUNDS = 10  # of updates of factors' and features' relevances given each other


class FeatureARDPosterior(WeightPriorPosterior):
    """q(α_k) with rate b + ½ Σ_d <γ_d><w_dk²>, q(γ_d) with rate b + ½ Σ_k <α_k><w_dk²>."""

    factor_shape: Tensor
    factor_rate: Tensor
    feature_shape: Tensor
    feature_rate: Tensor

    def __init__(self, prior: FeatureARD, n_features: int, n_factors: int) -> None:
        super().__init__()
        self.prior = prior
        for name, size in (("factor", n_factors), ("feature", n_features)):
            self.register_buffer(f"{name}_shape", torch.ones(size, dtype=torch.float64))
            self.register_buffer(f"{name}_rate", torch.ones(size, dtype=torch.float64))

    @property
    def factors(self) -> GammaPosterior:
        """q(α), (K,)."""
        return GammaPosterior(self.factor_shape, self.factor_rate)

    @property
    def features(self) -> GammaPosterior:
        """q(γ), (D,)."""
        return GammaPosterior(self.feature_shape, self.feature_rate)

    @property
    def precision(self) -> Tensor:
        return self.features.mean[:, None] * self.factors.mean

    @property
    def feature_precision(self) -> Tensor:
        return self.features.mean

    def update(self, moments: WeightMoments) -> None:
        second = moments.second
        n_features, n_factors = second.shape
        for _ in range(ROUNDS):
            self.features.copy_(update_gamma(self._feature_prior, n_factors, second @ self.factors.mean))
            self.factors.copy_(update_gamma(self._factor_prior, n_features, self.features.mean @ second))
            self._share_scale()

    def _share_scale(self) -> None:
        """α → c α, γ → γ / c leaves every weight's precision as it is: the best c, which updates are slow to find."""
        of_factors, of_features = self._factor_prior, self._feature_prior
        surplus = len(self.factor_rate) * of_factors.shape - len(self.feature_rate) * of_features.shape
        up, down = of_factors.rate * self.factors.mean.sum(), of_features.rate * self.features.mean.sum()
        scale = (surplus + (surplus.square() + 4 * up * down).sqrt()) / (2 * up)
        self.factor_rate.div_(scale)
        self.feature_rate.mul_(scale)

    def redraw(self, sites: Sites, weights: Tensor) -> Sites:
        """Features' relevances given the factors', the reverse, and the scale that they share."""
        second = weights.square()
        (n_features, n_factors), factors = second.shape[-2:], sites["relevance"]
        squares = (second @ factors[..., None])[..., 0]
        features = update_gamma(self._feature_prior, n_factors, squares).draw()
        squares = (features[..., None, :] @ second)[..., 0, :]
        factors = update_gamma(self._factor_prior, n_features, squares).draw()
        of_factors, of_features = self._factor_prior, self._feature_prior
        surplus = float(n_factors * of_factors.shape - n_features * of_features.shape)
        up = of_factors.rate * factors.sum(-1, keepdim=True)
        scale = draw_scale(surplus, up, of_features.rate * features.sum(-1, keepdim=True))
        return {"relevance": scale * factors, "feature_relevance": features / scale}

    def given_precision(self, sites: Sites) -> Tensor:
        return sites["feature_relevance"][..., None] * sites["relevance"][..., None, :]

    def elbo(self, moments: WeightMoments) -> Tensor:
        second = moments.second
        logs = self.features.mean_log[:, None] + self.factors.mean_log - LOG_2PI
        density = 0.5 * (logs - self.precision * second).sum()
        divergence = gamma_divergence(self.factors, self._factor_prior)
        return density - divergence - gamma_divergence(self.features, self._feature_prior)

    def rotated_elbo(self, squares: Tensor, n_features: int) -> Tensor:
        """With the features' relevances as they are, only the factors' at their optimum."""
        shape, rate = self._factor_prior
        return -(shape + n_features / 2) * (rate + squares / 2).log().sum()

    @property
    def _factor_prior(self) -> GammaPosterior:
        return GammaPosterior.constant(self.prior.shape, self.prior.rate, self.factor_rate)

    @property
    def _feature_prior(self) -> GammaPosterior:
        return GammaPosterior.constant(self.prior.feature_shape, self.prior.feature_rate, self.feature_rate)

    def sample(self, view: str, features: pyro.plate) -> None:
        with pyro.plate(f"{view}.factors", len(self.factor_rate), dim=-1):
            pyro.sample(f"{view}.relevance", dist.Gamma(*self.factors))
        with features:
            pyro.sample(f"{view}.feature_relevance", dist.Gamma(*self.features))


@weight_prior_posterior.register
def _(prior: FeatureARD, n_features: int, n_factors: int) -> FeatureARDPosterior:
    return FeatureARDPosterior(prior, n_features, n_factors)
