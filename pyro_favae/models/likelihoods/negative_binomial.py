"""Counts that vary by more than their mean."""

import math
from dataclasses import dataclass

import pyro.distributions as dist
import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from pyro_favae.models.declaration import require_flag, require_positive
from pyro_favae.models.likelihoods.base import Likelihood, LikelihoodModule, Support
from pyro_favae.models.likelihoods.count import LARGEST_LOG, CountModule

STIRLING_FROM = 20.0  # where four terms of Stirling's series are exact to double precision
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680)


@dataclass(frozen=True)
class NegativeBinomial(Likelihood):
    """x ~ NB for each entry, with mean μ = exp(decoder(z)) and variance μ + dispersion · μ².

    One dispersion for each feature, the data's last dimension; ``learn`` fits them, from ``dispersion`` on. Near 0 it
    is a Poisson; its inverse is the number of successes r of the usual form. The encoder is given log(1 + x).
    """

    group = "likelihoods"
    dispersion: float = 1.0
    learn: bool = True

    def __post_init__(self) -> None:
        require_positive("likelihoods.NegativeBinomial", dispersion=self.dispersion)
        require_flag("likelihoods.NegativeBinomial", learn=self.learn)

    @property
    def support(self) -> Support:
        return "count"

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _NegativeBinomialModule(self, event_shape)


class _NegativeBinomialModule(CountModule):
    def __init__(self, declared: NegativeBinomial, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        start = torch.full(event_shape[-1:], math.log(declared.dispersion))
        self.log_dispersion = nn.Parameter(start, requires_grad=declared.learn)

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        log_dispersion = self.log_dispersion.double()
        return StableNegativeBinomial(
            (-log_dispersion).exp(), logits=self.log_mean(decoded) + log_dispersion, validate_args=False
        )

    @torch.no_grad()
    def draw(self, decoded: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A Poisson whose rate is drawn from a Gamma."""
        mean, dispersion = self.mean(decoded), self.log_dispersion.double().exp()
        rate = mean * dispersion * _standard_gamma((1 / dispersion).expand_as(mean), generator)
        return torch.poisson(rate.clamp_max(math.exp(LARGEST_LOG)), generator=generator)


class StableNegativeBinomial(dist.NegativeBinomial):
    """A negative binomial whose density keeps its digits when r is huge, where log Γ(r + x) − log Γ(r) loses them."""

    def log_prob(self, value: Tensor) -> Tensor:
        r = self.total_count
        ascent = log_rising(r, value)
        return value * self.logits + (r + value) * logsigmoid(-self.logits) + ascent - torch.lgamma(1 + value)


def log_rising(r: Tensor, x: Tensor) -> Tensor:
    """log Γ(r + x) − log Γ(r) for r > 0 and x ≥ 0, by differences of Stirling's series where r is large."""
    large = r.clamp_min(STIRLING_FROM)
    by_series = x * large.log() + (large + x - 0.5) * torch.log1p(x / large) - x
    by_series = by_series + _stirling_rest(large + x) - _stirling_rest(large)
    small = r.clamp_max(STIRLING_FROM)
    return torch.where(r > STIRLING_FROM, by_series, torch.lgamma(small + x) - torch.lgamma(small))


def _stirling_rest(r: Tensor) -> Tensor:
    """What log Γ(r) is above (r − ½) log r − r + ½ log 2π."""
    inverse, rest = 1 / r, torch.zeros_like(r)
    for coefficient in reversed(STIRLING):
        rest = coefficient + rest * inverse.square()
    return rest * inverse


def _standard_gamma(shape: Tensor, generator: torch.Generator | None) -> Tensor:
    """Gamma(shape, 1) draws; torch's take no generator, so they follow a seed that is drawn from it."""
    if generator is None:
        return torch.distributions.Gamma(shape, torch.ones_like(shape)).sample()
    seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
    with torch.random.fork_rng(devices=[shape.device] if shape.is_cuda else []):
        torch.manual_seed(int(seed))
        return torch.distributions.Gamma(shape, torch.ones_like(shape)).sample()
