"""q of everything that the rows share, held in buffers."""

import math
from collections.abc import Collection, Sequence
from typing import cast

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.inference.natural_gradient import climb
from pyro_favae.inference.priors import (
    NonConjugatePosterior,
    factor_posterior,
    noise_posterior,
    weight_prior_posterior,
)
from pyro_favae.inference.statistics import Statistics, ViewStatistics
from pyro_favae.inference.updates import (
    LOG_2PI,
    WeightsPosterior,
    expected_log_latents,
    expected_log_likelihood,
    gaussian_entropy,
    squared_residuals,
    update_weights,
)
from pyro_favae.models.favae import FAVAE

INNER_UPDATES = 3  # rounds of weights, relevance and noise on one set of statistics


class ViewPosterior(nn.Module):
    """q(W, b), q(α) and q(τ) of one view."""

    weights_mean: Tensor
    weights_covariance: Tensor

    def __init__(self, model: FAVAE, name: str) -> None:
        super().__init__()
        self.name = name
        self.bias_precision = model.bias_precision
        d, size = model.views[name].latent_dim, model.n_factors + 1
        self.noise = noise_posterior(model.noise_of(name), d)
        self.relevance = weight_prior_posterior(model.weights_of(name), d, model.n_factors)
        self.register_buffer("weights_mean", torch.zeros(d, size, dtype=torch.float64))
        covariance = 1e-3 * torch.eye(size, dtype=torch.float64).repeat(len(self.noise.mean), 1, 1)
        self.register_buffer("weights_covariance", covariance)

    @property
    def weights(self) -> WeightsPosterior:
        return WeightsPosterior(self.weights_mean, self.weights_covariance)

    @property
    def n_features(self) -> int:
        return len(self.weights_mean)

    @property
    def squares(self) -> Tensor:
        """Σ_d <w_dk²>, (K,)."""
        return self.weights.second_moment.diagonal()[:-1]

    @property
    def rotated_moment(self) -> Tensor:
        """Σ_d γ_d <w_d w_dᵀ> with the prior's feature precision γ, (K, K): what a rotation's gain depends on."""
        precision = self.relevance.feature_precision
        if precision is None:
            precision = self.weights_mean.new_ones(1)
        return self.weights.weighted_second_moment(precision)[:-1, :-1]

    def update(self, statistics: ViewStatistics) -> None:
        """Closed-form coordinate updates; none lowers the bound."""
        if not statistics.n.any():
            return
        for _ in range(INNER_UPDATES):
            self.update_weights(statistics)
            self.relevance.update(self.weights.moments)
            self.update_noise(statistics)

    def update_weights(self, statistics: ViewStatistics) -> None:
        """Set q(W, b) to its optimum; a step towards it under a prior that is not conjugate."""
        if isinstance(self.relevance, NonConjugatePosterior):
            q = climb(statistics, self.weights, self.relevance, self.bias_precision, self.noise.mean)
        else:
            q = update_weights(statistics, self.relevance.precision, self.bias_precision, self.noise.mean)
        self.weights_mean.copy_(q.mean)
        if len(q.covariance) > len(self.weights_covariance):
            self.weights_covariance = q.covariance.contiguous()
        else:
            self.weights_covariance.copy_(q.covariance)

    def update_noise(self, statistics: ViewStatistics) -> None:
        """Set q(τ) to its optimum."""
        if self.noise.learnt:
            self.noise.update(statistics.n, squared_residuals(statistics, self.weights))

    def elbo(self, statistics: ViewStatistics) -> dict[str, Tensor]:
        """The view's named terms of the bound, in nats."""
        copies = self.n_features // len(self.weights_covariance)
        bias = self.weights.second_moment[-1, -1]
        log_nu = math.log(self.bias_precision)
        bias_density = 0.5 * (self.n_features * (log_nu - LOG_2PI) - self.bias_precision * bias)
        weights = self.relevance.elbo(self.weights.moments) + bias_density
        latents = expected_log_latents(statistics, self.weights, self.noise.mean, self.noise.mean_log)
        return {
            f"{self.name}.likelihood": expected_log_likelihood(statistics, self.weights),
            f"{self.name}.latents": latents + statistics.entropy,
            f"{self.name}.weights": weights + gaussian_entropy(self.weights_covariance, copies),
            f"{self.name}.noise": self.noise.elbo(),
        }

    def transform(self, change: Tensor) -> None:
        """Follow g̃ → change @ g̃, (L, L), leaving W̃ g̃ as it was."""
        inverse = torch.linalg.inv(change)
        self.weights_mean.copy_(self.weights_mean @ inverse)
        covariance = inverse.mT @ self.weights_covariance @ inverse
        self.weights_covariance.copy_((covariance + covariance.mT) / 2)
        self.relevance.update(self.weights.moments)

    def _load_from_state_dict(self, state_dict, prefix, *args) -> None:
        """Take on a saved covariance's size: whether features share theirs depends on the data."""
        saved = state_dict.get(f"{prefix}weights_covariance")
        if saved is not None and saved.shape[1:] == self.weights_covariance.shape[1:]:
            size = self.n_features if len(saved) == self.n_features else 1
            self.weights_covariance = self.weights_covariance[:1].expand(size, -1, -1).clone()
        super()._load_from_state_dict(state_dict, prefix, *args)

    def sample(self) -> tuple[Tensor, Tensor]:
        """Emit the guide's sites: the joint q(w_d, b_d) as q(w_d) q(b_d | w_d); returns weights and bias."""
        mean, covariance = self.weights
        covariance = covariance.expand(len(mean), *covariance.shape[1:])
        features = pyro.plate(f"{self.name}.features", len(mean), dim=-1)
        self.relevance.sample(self.name, features)
        with features:
            marginal = dist.MultivariateNormal(mean[:, :-1], covariance[:, :-1, :-1])
            weights = pyro.sample(f"{self.name}.weights", marginal)
            slope = torch.linalg.solve(covariance[:, :-1, :-1], covariance[:, :-1, -1])
            bias = mean[:, -1] + (slope * (weights - mean[:, :-1])).sum(-1)
            variance = covariance[:, -1, -1] - (slope * covariance[:, :-1, -1]).sum(-1)
            bias = pyro.sample(f"{self.name}.bias", dist.Normal(bias, variance.sqrt()))
        self.noise.sample(self.name, features)
        return weights, bias


class Posterior(nn.Module):
    """q of all global quantities: a :class:`ViewPosterior` for each view, and what the factors share."""

    views: Sequence[ViewPosterior]  # a module list

    def __init__(self, model: FAVAE) -> None:
        super().__init__()
        self.names = tuple(model.views)
        views = nn.ModuleList(ViewPosterior(model, name) for name in self.names)
        self.views = cast(Sequence[ViewPosterior], views)
        self.factors = factor_posterior(model.factors, model.n_factors)

    def view(self, name: str) -> ViewPosterior:
        """The posterior of one view."""
        return self.views[self.names.index(name)]

    @torch.no_grad()
    def update(self, statistics: Statistics, names: Collection[str] | None = None) -> None:
        """One round of global updates, of some views alone if ``names`` says so."""
        for view, sums in zip(self.views, statistics.views, strict=True):
            if names is None or view.name in names:
                view.update(sums)
        if names is None:
            self.factors.update(statistics.factors)

    @torch.no_grad()
    def transform(self, change: Tensor) -> None:
        """Follow g̃ → change @ g̃ everywhere."""
        for view in self.views:
            view.transform(change)
        self.factors.transform(change)

    def sample(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Emit the guide's global sites; returns each view's drawn weights (D, K) and bias (D,)."""
        drawn = {view.name: view.sample() for view in self.views}
        self.factors.sample()
        return drawn
