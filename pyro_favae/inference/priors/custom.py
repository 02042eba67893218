"""E log p(w) of weights under any distribution, by quadrature."""

from collections.abc import Iterator

import pyro
import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

from pyro_favae.inference.priors.base import NonConjugatePosterior, weight_prior_posterior
from pyro_favae.inference.updates import LOG_2PI, WeightMoments
from pyro_favae.models.priors import Custom

NODES = 48  # on either side of the prior's location
BLOCK = 2**20  # values of a density at once
REACH = 8.5  # posterior standard deviations: beyond are 2e-17 of q


class CustomPosterior(NonConjugatePosterior):
    """Nothing stands above the weights; their q is a Gaussian, and E log p(w) an integral for each of them.

    It is split at the prior's location, the one place where log p may have a kink, with Gauss-Legendre nodes on
    either side. For Normal, Laplace, Student's t, Cauchy, Gumbel and logistic priors the error is below 1e-8 nats
    a weight where q is up to ten times as wide as the prior, smaller where it is narrow; Gauss-Hermite with 128
    nodes is off by up to 0.03 at a kink, and jumps as nodes cross it.

    The Gaussian that stands for the prior has its slopes in mean and variance (Bonnet's and Price's theorems:
    E ∂log p and ½ E ∂²log p), so the precision is −E ∂²log p, without a second derivative, and below zero
    where q lies in a heavy tail.
    """

    _nodes: Tensor
    _weights: Tensor
    _precision: Tensor
    _shift: Tensor

    def __init__(self, prior: Custom, n_features: int, n_factors: int) -> None:
        super().__init__()
        self.prior, self.symmetric = prior, prior.symmetric
        nodes, weights = (torch.as_tensor(values) for values in leggauss(NODES))
        self.register_buffer("_nodes", (1 + nodes) / 2, persistent=False)
        self.register_buffer("_weights", weights / 2, persistent=False)
        zero = torch.zeros(n_features, n_factors, dtype=torch.float64)
        self.register_buffer("_precision", zero, persistent=False)
        self.register_buffer("_shift", zero.clone(), persistent=False)
        self.update(WeightMoments(zero, torch.ones_like(zero)))

    @property
    def precision(self) -> Tensor:
        return self._precision

    @property
    def shift(self) -> Tensor:
        return self._shift

    def update(self, moments: WeightMoments) -> None:
        slopes = [self._slopes(block) for block in _blocks(moments)]
        in_mean, in_variance = (torch.cat(parts) for parts in zip(*slopes, strict=True))
        self._precision.copy_(-2 * in_variance)
        self._shift.copy_(in_mean + self._precision * moments.mean)

    def elbo(self, moments: WeightMoments) -> Tensor:
        return self.density(moments).sum()

    def density(self, moments: WeightMoments) -> Tensor:
        return torch.cat([self._expected(block).sum(1) for block in _blocks(moments)])

    def _slopes(self, moments: WeightMoments) -> tuple[Tensor, Tensor]:
        """Derivatives of E log p(w_dk) in mean and variance, each (features, K)."""
        with torch.enable_grad():
            leaves = [values.detach().clone().requires_grad_() for values in moments]
            in_mean, in_variance = torch.autograd.grad(self._expected(WeightMoments(*leaves)).sum(), leaves)
        return in_mean, in_variance

    def _expected(self, moments: WeightMoments) -> Tensor:
        """E log p(w_dk), (features, K), in nats."""
        prior = self.prior.build(self._nodes.device, validate_args=False)
        mean, deviation = (values[..., None] for values in (moments.mean, moments.variance.sqrt()))
        split = ((getattr(prior, "loc", 0.0) - mean) / deviation).clamp(-REACH, REACH)
        below, above = split + REACH, REACH - split
        z = torch.cat([below * self._nodes - REACH, above * self._nodes + split], -1)
        weights = torch.cat([below * self._weights, above * self._weights], -1)
        density = (-0.5 * (z.square() + LOG_2PI)).exp()
        return (weights * density * prior.log_prob(mean + deviation * z)).sum(-1)

    def rotated_elbo(self, squares: Tensor, n_features: int) -> None:
        """None: which weights a prior likes depends on the axes."""
        return

    def sample(self, view: str, features: pyro.plate) -> None:
        return


def _blocks(moments: WeightMoments) -> Iterator[WeightMoments]:
    """Some features at a time, so that memory does not grow with their number."""
    size = max(1, BLOCK // (2 * NODES * moments.mean.shape[1]))
    yield from map(WeightMoments, moments.mean.split(size), moments.variance.split(size))


@weight_prior_posterior.register
def _(prior: Custom, n_features: int, n_factors: int) -> CustomPosterior:
    return CustomPosterior(prior, n_features, n_factors)
