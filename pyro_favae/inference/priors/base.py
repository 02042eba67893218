"""What the inference half of a prior must provide, and the dispatch on its declaration."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import singledispatch
from typing import ClassVar, NamedTuple

import pyro
import torch
from torch import Tensor, nn

from pyro_favae.errors import SpecError
from pyro_favae.inference.statistics import FactorStatistics
from pyro_favae.inference.updates import WeightMoments
from pyro_favae.models.priors import FactorPrior, NoisePrior, WeightPrior

Sites = Mapping[str, Tensor]


class WeightPriorPosterior(nn.Module, ABC):
    """q of what stands above one view's weights W (D, K), and the Gaussian that E log p(W | ·) is to their update.

    In the weights' first two moments E log p(W | ·) has the slopes ``shift`` − ``precision`` · mean and
    −½ ``precision``. A conjugate prior is that Gaussian whatever the moments; of any other it is the one that touches
    at the moments of the last :meth:`update`.
    """

    symmetric: bool = True  # whether w and −w are equally likely

    @property
    @abstractmethod
    def precision(self) -> Tensor:
        """Expected prior precision of the weights, (K,) or (D, K)."""

    @property
    def shift(self) -> Tensor | None:
        """Precision times mean of that Gaussian, (D, K); None for a mean of 0."""
        return None

    @property
    def feature_precision(self) -> Tensor | None:
        """The factor of the precision that belongs to a feature, (D,), whatever the factors; None for 1."""
        return None

    @property
    def inclusion(self) -> Tensor | None:
        """Probability that each weight is on, (D, K); None for a prior that switches none off."""
        return None

    @abstractmethod
    def update(self, moments: WeightMoments) -> None:
        """Set q to its optimum given q(W)."""

    @abstractmethod
    def elbo(self, moments: WeightMoments) -> Tensor:
        """E log p(W | ·) + E log p(·) − E log q(·), in nats."""

    def redraw(self, sites: Sites, weights: Tensor) -> Sites:
        """One Gibbs update of the sites above the weights, given weights (C, D, K) of C chains.

        sites: by their names without the view's, (C, ...) each, and any auxiliary ones that an update left there.
        """
        raise SpecError(f"sample: the weight prior of {type(self).__name__} has no conditionals to draw from")

    def given_precision(self, sites: Sites) -> Tensor:
        """Prior precision of the weights given their sites, (C or 1, D or 1, K)."""
        raise SpecError(f"sample: the weight prior of {type(self).__name__} has no conditionals to draw from")

    @abstractmethod
    def rotated_elbo(self, squares: Tensor, n_features: int) -> Tensor | None:
        """What :meth:`elbo` would be after :meth:`update`, up to a constant; None if it takes all of ``second``.

        squares: Σ_d <w_dk²> weighted by the feature precision, (K,). Differentiable in them.
        """

    @abstractmethod
    def sample(self, view: str, features: pyro.plate) -> None:
        """Emit the guide's Pyro sites; features: the plate over the view's features."""


class NonConjugatePosterior(WeightPriorPosterior):
    """One under which q(W) has no closed form: it climbs by steps to the Gaussian's, see ``natural_gradient``."""

    @abstractmethod
    def density(self, moments: WeightMoments) -> Tensor:
        """E log p(w_d | ·) of each feature, (D,), in nats."""


class NoisePosterior(nn.Module, ABC):
    """q of the precision τ of one view's latents. Expectations are (1,), shared by all features, or (D,)."""

    learnt: ClassVar[bool] = True  # whether updates move it

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """<τ>."""

    @property
    @abstractmethod
    def mean_log(self) -> Tensor:
        """<log τ>."""

    @property
    @abstractmethod
    def mean_inverse(self) -> Tensor:
        """E[1/τ], infinite where q has none."""

    def calibrate(self, unit: Tensor | None) -> None:
        """Take on the view's units, user units per latent unit (D,), once, before learning starts."""
        return

    def start(self, variance: Tensor) -> None:
        """Put a learnt q at noise of given variances, (D,), to start learning from there."""
        return

    def scale(self, factor: Tensor) -> None:
        """Multiply <τ> of a learnt q, to speed up learning."""
        return

    @abstractmethod
    def update(self, count: Tensor, squares: Tensor) -> None:
        """Set q to its optimum given Σ_n <(z − w̃ᵀ g̃)²> of each feature, (D,), and how many rows, (1 or D,)."""

    def redraw(self, count: Tensor, squares: Tensor) -> Tensor:
        """A draw of a learnt τ given Σ_n (z − w̃ᵀ g̃)² of each feature in C chains, (C, D): (C, 1) or (C, D)."""
        raise NotImplementedError(f"{type(self).__name__} has no conditional to draw from")

    @abstractmethod
    def elbo(self) -> Tensor:
        """E log p(τ) − E log q(τ), in nats."""

    @abstractmethod
    def sample(self, view: str, features: pyro.plate) -> None:
        """Emit the guide's Pyro site, where the model's is not deterministic."""


class Scaled(NamedTuple):
    """Terms −shape_c Σ_k log(rate + ½ <v_k²>): groups of vectors whose precisions are at their optimum."""

    scatters: Tensor  # (G, K, K)  Σ <v vᵀ> of each group
    shapes: Tensor  # (G,)
    rate: float

    @classmethod
    def none(cls, like: Tensor) -> "Scaled":
        """No groups, of the type and on the device of ``like``, (K, K)."""
        return cls(like.new_zeros(0, *like.shape), like.new_zeros(0), 1.0)


class Quadratic(NamedTuple):
    """The terms that a rotation of the factors changes: −½ Σ <|v|²> over vectors v of unit precision, and others."""

    #: of vectors of both kinds, each with an entropy that a rotation shifts by log |det R|
    count: float  # type: ignore[assignment]  # hides a tuple's own
    scatter: Tensor  # (K, K)  Σ <v vᵀ>, of unit precision
    scaled: Scaled | None = None


class FactorPosterior(nn.Module, ABC):
    """q of what the rows' factors share.

    Rows fall into C components that are inferred, and into G groups that are known, the last of which stands for
    rows whose group is not known. A standard normal is the case of one component at zero and one group.
    """

    @property
    @abstractmethod
    def component_means(self) -> Tensor:
        """Posterior means of the factors in each component, (C, K), of a row whose group is not known."""

    @property
    @abstractmethod
    def log_weights(self) -> Tensor:
        """E log π_c − ½ E|m_c|², (C,): the part of log p(g, c) that is constant in g."""

    @property
    def prior_means(self) -> Tensor:
        """Posterior means of the factors in each group and component, (G, C, K)."""
        return self.component_means[None]

    @property
    def prior_precision(self) -> Tensor:
        """Expected precision of the factors of a row of each group given its component, (G, K, K)."""
        return torch.eye(self.component_means.shape[1]).to(self.component_means)[None]

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
        """Follow g̃ → change @ g̃, (L, L); precisions that were at their optimum stay there."""

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
def noise_posterior(prior: NoisePrior, n_features: int) -> NoisePosterior:
    """Return the inference half of a declared noise prior."""
    raise NotImplementedError(f"no inference for the noise prior {type(prior).__name__}")


@singledispatch
def factor_posterior(prior: FactorPrior, n_factors: int) -> FactorPosterior:
    """Return the inference half of a declared factor prior."""
    raise NotImplementedError(f"no inference for the factor prior {type(prior).__name__}")
