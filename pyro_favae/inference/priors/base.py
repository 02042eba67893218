"""What the inference half of a prior must provide, and the dispatch on its declaration."""

from abc import ABC, abstractmethod
from functools import singledispatch
from typing import NamedTuple

from torch import Tensor, nn

from pyro_favae.inference.statistics import FactorStatistics
from pyro_favae.models.priors import FactorPrior, WeightPrior


class WeightPriorPosterior(nn.Module, ABC):
    """q of what stands above one view's weights. ``second`` is <w_dk²>, (D, K)."""

    @property
    @abstractmethod
    def precision(self) -> Tensor:
        """Expected prior precision of the weights, (K,) or (D, K)."""

    @property
    def feature_precision(self) -> Tensor | None:
        """The factor of the precision that belongs to a feature, (D,), whatever the factors; None for 1."""
        return None

    @abstractmethod
    def update(self, second: Tensor) -> None:
        """Set q to its optimum given q(W)."""

    @abstractmethod
    def elbo(self, second: Tensor) -> Tensor:
        """E log p(W | ·) + E log p(·) − E log q(·), in nats."""

    @abstractmethod
    def rotated_elbo(self, squares: Tensor, n_features: int) -> Tensor | None:
        """What :meth:`elbo` would be after :meth:`update`, up to a constant; None if it takes all of ``second``.

        squares: Σ_d <w_dk²> weighted by the feature precision, (K,). Differentiable in them.
        """

    @abstractmethod
    def sample(self, view: str) -> None:
        """Emit the guide's Pyro sites."""


class Quadratic(NamedTuple):
    """The terms −½ Σ <|v|²> over unit-precision vectors v that a rotation of the factors changes."""

    count: float  # of vectors, each with an entropy that a rotation shifts by log |det R|
    scatter: Tensor  # (K, K)  Σ <v vᵀ>


class FactorPosterior(nn.Module, ABC):
    """q of what the rows' factors share. A standard normal is the case of one component at zero."""

    @property
    @abstractmethod
    def component_means(self) -> Tensor:
        """Posterior means of the components' means, (C, K)."""

    @property
    @abstractmethod
    def log_weights(self) -> Tensor:
        """E log π_c − ½ E|m_c|², (C,): the part of log p(g, c) that is constant in g."""

    def place(self, means: Tensor) -> None:
        """Put several components at given means (C, K), to start learning from there."""
        return

    @abstractmethod
    def update(self, statistics: FactorStatistics) -> None:
        """Set q to its optimum given the rows."""

    @abstractmethod
    def elbo(self, statistics: FactorStatistics) -> dict[str, Tensor]:
        """Named terms in nats: E log p of the rows' factors, minus divergences of what they share."""

    @abstractmethod
    def centring(self, statistics: FactorStatistics) -> tuple[float, Tensor]:
        """(n, s): shifting the factors by −c changes the bound by s·c − ½ n |c|²; s is (K,)."""

    @abstractmethod
    def rotation(self, statistics: FactorStatistics) -> Quadratic:
        """The terms that a rotation of the factors changes."""

    @abstractmethod
    def transform(self, change: Tensor) -> None:
        """Follow g̃ → change @ g̃, (L, L)."""

    @abstractmethod
    def sample(self) -> None:
        """Emit the guide's Pyro sites that all rows share."""

    @abstractmethod
    def sample_component(self, responsibilities: Tensor) -> Tensor | None:
        """Emit the guide's ``component`` site, where the prior has one; responsibilities (rows, C)."""


@singledispatch
def weight_prior_posterior(prior: WeightPrior, n_features: int, n_factors: int) -> WeightPriorPosterior:
    """Return the inference half of a declared weight prior."""
    raise NotImplementedError(f"no inference for the weight prior {type(prior).__name__}")


@singledispatch
def factor_posterior(prior: FactorPrior, n_factors: int) -> FactorPosterior:
    """Return the inference half of a declared factor prior."""
    raise NotImplementedError(f"no inference for the factor prior {type(prior).__name__}")
