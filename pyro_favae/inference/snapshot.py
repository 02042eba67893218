"""What rows need of the global posterior, computed once for a pass and good until the next global update."""

from collections.abc import Mapping
from copy import copy
from functools import cached_property

import torch
from torch import Tensor

from pyro_favae.inference.covariance import PatternCovariance, Patterns, RowGroups
from pyro_favae.inference.linear_algebra import inner_product_weights, pack, unpack
from pyro_favae.inference.posterior import Posterior, ViewPosterior
from pyro_favae.inference.updates import WeightsPosterior

#: patterns with more entries than this are as good as never seen again, and not kept
KEPT_PATTERN = 4096


class ViewSnapshot:
    """Expectations under one view's q(W, b) q(τ); w̃ = [w, b] has L = K + 1 entries."""

    def __init__(self, posterior: ViewPosterior) -> None:
        self._hold(WeightsPosterior(*(values.clone() for values in posterior.weights)), posterior.noise.mean)

    @classmethod
    def known(cls, weights: Tensor, noise: Tensor) -> "ViewSnapshot":
        """Of weights w̃ (D, L) and precisions (), (1,) or (D,) that are certain, as those drawn from q are."""
        size, view = weights.shape[1], cls.__new__(cls)
        view._hold(WeightsPosterior(weights, weights.new_zeros(1, size, size)), noise)
        return view

    def _hold(self, weights: WeightsPosterior, noise: Tensor) -> None:
        self.weights = weights
        self.noise = noise.expand(len(weights.mean))  # (D,)
        self.scaled_weights = self.noise[:, None] * self.weights.weights  # τ W̄, (D, K)
        self.second_moment = self.weights.weighted_second_moment(self.noise)  # Σ_d τ_d <w̃_d w̃_dᵀ>, (L, L)
        self.covariance = self.weights.weighted_covariance(self.noise)  # Σ_d τ_d Cov(w̃_d), (L, L)

    @cached_property
    def feature_moments(self) -> Tensor:
        """<w̃_d w̃_dᵀ> of each feature, packed, (D, L (L + 1) / 2)."""
        mean = self.weights.mean
        return pack(mean[:, :, None] * mean[:, None, :] + self.weights.covariance)

    @cached_property
    def factor_moments(self) -> Tensor:
        """τ_d <w_d w_dᵀ> of each feature, bias excluded, packed, (D, K (K + 1) / 2)."""
        size = self.weights.mean.shape[1] - 1
        return self.noise[:, None] * self.feature_moments[:, : size * (size + 1) // 2]  # the bias comes last

    @cached_property
    def weights_bias(self) -> Tensor:
        """τ_d <w_d b_d> of each feature, (D, K)."""
        mean, covariance = self.weights
        return self.noise[:, None] * (mean[:, :-1] * mean[:, -1:] + covariance[:, :-1, -1])

    def weighted(self, precision: Tensor) -> Tensor:
        """Σ_d precision_nd <w̃_d w̃_dᵀ> for precisions (rows, D): (rows, L, L)."""
        return unpack(precision @ self.feature_moments, self.weights.mean.shape[1])

    def squares(self, moments: Tensor) -> Tensor:
        """<(w̃_dᵀ g̃_n)²> for packed moments <g̃_n g̃_nᵀ> (rows, L (L + 1) / 2): (rows, D)."""
        weights = inner_product_weights(self.weights.mean.shape[1], moments)
        return moments @ (self.feature_moments * weights).mT


class Snapshot:
    """Expectations under q of everything that the rows share."""

    def __init__(self, posterior: Posterior) -> None:
        self.views = {view.name: ViewSnapshot(view) for view in posterior.views}
        self.prior_precision = posterior.factors.prior_precision  # (G, K, K)
        self.prior_linear = posterior.factors.prior_means @ self.prior_precision  # (G, C, K)
        self.log_weights = posterior.factors.log_weights.clone()  # (C,)
        self.patterns: dict[tuple, PatternCovariance] = {}

    def given(self, views: Mapping[str, ViewSnapshot]) -> "Snapshot":
        """The same with other expectations of every view."""
        other = copy(self)
        other.views, other.patterns = dict(views), {}
        return other

    def row_groups(self, groups: Tensor | None, n: int) -> RowGroups:
        """The groups (rows,) that n rows are of; None where none is known, or the prior has none."""
        count = len(self.prior_precision)
        groups = torch.full((n,), count - 1) if groups is None else groups.cpu()
        return RowGroups(groups, count, self.prior_precision.device)

    def linear(self, groups: RowGroups) -> Tensor:
        """Precision-weighted means of the factors in each component, (rows or 1, C, K)."""
        return self.prior_linear if groups.count == 1 else self.prior_linear[groups.index]

    def covariance(self, key: tuple, patterns: Patterns, precision) -> PatternCovariance:
        """Covariances of the factors for the patterns of some rows, remembered where they are small.

        key: which views the patterns are of. precision: returns their precisions (P, K, K) if they are new.
        """
        if patterns.masks.numel() > KEPT_PATTERN:
            return PatternCovariance.of(precision())
        key = (*key, patterns.key)
        if key not in self.patterns:
            self.patterns[key] = PatternCovariance.of(precision())
        return self.patterns[key]
