"""Rows of a view of logits under a bound that is quadratic in them; q(z | g, W) is kept exact given the bound.

With log p(x | z) ≥ c + h z − λ z² and p = τ + 2λ, z integrates out: what is left of an entry is a Gaussian
observation h / 2λ of w̃ᵀ g̃ with precision τ ω, ω = 2λ / p. Leaving z to a q of its own would tie the weights
to it so tightly, where τ is far above 2λ ≤ ¼, that each sweep would move them by a share 2λ / τ of what is left.
"""

from abc import ABC, abstractmethod

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from pyro_favae.data.observed import Observed
from pyro_favae.inference.bounds import jaakkola_curvature
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.statistics import ViewStatistics
from pyro_favae.inference.updates import LOG_2PI
from pyro_favae.inference.views.base import ViewInference
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.views import Emission

LARGEST_RATIO = 0.4  # of successive steps of ξ, as far as they are believed
#: logits of the Gaussian stand-in that such a view starts from
START_LOGIT = 5.0


class LogisticRows(ViewRows, ABC):
    """z_d | g, W ~ N((h + τ w̃ᵀ g̃) / p, 1/p), each (rows, D), with h and λ from a bound at ``xi``."""

    def __init__(self, view: ViewSnapshot, observed: Tensor | Observed, data: Tensor) -> None:
        super().__init__(view, observed)
        self.data = data.to(torch.float64)
        self.entries = self.mask.expand_as(self.data)
        self.xi = torch.ones_like(self.data)
        self._step: Tensor | None = None
        self._at_bound()

    @abstractmethod
    def logit_slope(self, curvature: Tensor) -> Tensor:
        """h (rows, D), at the present bound whose 2λ is given."""

    @abstractmethod
    def constant(self) -> Tensor:
        """c (rows, D or 1), in nats, at the present bound."""

    @abstractmethod
    def tighten(self, mean: Tensor, variance: Tensor) -> None:
        """Set the bound to its optimum for latents of given moments, (rows, D)."""

    def _at_bound(self) -> None:
        curvature = 2 * jaakkola_curvature(self.xi)
        self.total_precision = self.view.noise + curvature  # p
        self.share = self.entries * curvature / self.total_precision  # ω
        self.answer = self.entries * self.logit_slope(curvature) / self.total_precision  # h / p

    @property
    def entry_precision(self) -> Tensor:
        return self.view.noise * self.share

    @property
    def linear(self) -> Tensor:
        return self.answer @ self.view.scaled_weights - self.share @ self.view.weights_bias

    def latent_means(self, rows: Rows) -> Tensor:
        return self.latent_mean(self._prior_mean(rows))

    def _prior_mean(self, rows: Rows) -> Tensor:
        """<w̃ᵀ g̃>, (rows, D)."""
        return rows.factors @ self.view.weights.weights.mT + self.view.weights.bias

    def latent_mean(self, prior: Tensor) -> Tensor:
        """E[z | g, W] where w̃ᵀ g̃ is ``prior``, (rows, D)."""
        return self.answer + self.view.noise * prior / self.total_precision

    def refine(self, rows: Rows) -> Tensor:
        prior = self._prior_mean(rows)
        spread = rows.squares(self) - prior.square()
        follow = self.view.noise / self.total_precision
        before = self.xi
        self.tighten(
            self.latent_mean(prior), 1 / self.total_precision + follow.square() * spread.clamp_min(0)
        )
        step = self.xi - before
        self._accelerate(before, step)
        self._at_bound()
        return (step.abs() / before * self.entries).max()

    def _accelerate(self, before: Tensor, step: Tensor) -> None:
        """After every second step go where a geometric series of them would end (Aitken); any ξ is a valid bound."""
        if self._step is None:
            self._step = step
            return
        ratio = (step / self._step).nan_to_num(0.0).clamp(0.0, LARGEST_RATIO)
        self.xi = (before + step / (1 - ratio)).abs()
        self._step = None

    def statistics(self, rows: Rows) -> ViewStatistics:
        noise, (n, d) = self.view.noise, self.data.shape
        g = torch.cat([rows.factors, rows.factors.new_ones(n, 1)], 1)
        weights = torch.cat([self.share.square(), noise * self.share * (1 - self.share)], 1)
        gg, likelihood_gg = rows.weighted_moments(weights).split(d)
        slope = noise * self.answer * (1 - self.share)
        curvature = self.total_precision - noise
        spread = self.answer.square() + self.entries / self.total_precision
        worth = self.entries * self.constant() + self.answer.square() * self.total_precision
        return ViewStatistics(
            n=self.entries.sum(0),
            gg=gg,
            zg=(self.share * self.answer).mT @ g,
            zz=spread.sum(0),
            log_likelihood=(worth - 0.5 * curvature * spread).sum(),
            entropy=0.5 * (self.entries * (1 + LOG_2PI - self.total_precision.log())).sum(),
            likelihood_gg=likelihood_gg,
            likelihood_zg=slope.mT @ g,
        )


class LogisticInference(ViewInference[Emission, LogisticRows], ABC):
    """Starts from labels read as real numbers at logit scale, with little noise."""

    creeping_noise = True
    start_precision = 10.0
    bounded: type[LogisticRows]  # rows under the view's own bound

    def labels(self, data: Tensor, view: ViewSnapshot) -> Tensor:
        """The data as zeros and ones, (rows, D)."""
        return data

    def rows(self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: Emission) -> LogisticRows:
        return self.bounded(view, observed, self.labels(data, view))

    def start(self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: Emission) -> GaussianRows:
        return GaussianRows(view, observed, START_LOGIT * (2 * self.labels(data, view) - 1))

    def sample_after(self, name: str, rows: LogisticRows, prior: Tensor) -> None:
        latents = dist.Normal(rows.latent_mean(prior), rows.total_precision**-0.5)
        pyro.sample(f"{name}.latents", latents.mask(rows.mask > 0).to_event(1))
