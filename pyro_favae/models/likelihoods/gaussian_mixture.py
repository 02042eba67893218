"""Real-valued data whose noise has several modes."""

from dataclasses import dataclass

import pyro.distributions as dist
from torch import Tensor

from pyro_favae.models.declaration import require_count
from pyro_favae.models.likelihoods.base import LikelihoodModule
from pyro_favae.models.likelihoods.location_scale import LocationScale, LocationScaleModule


@dataclass(frozen=True)
class GaussianMixture(LocationScale):
    """x ~ Σ_c π_c N(link(m_c), scale_c²) for each entry, π = softmax(l), the decoder giving m and l.

    The decoder has 2 C outputs for each entry: C means before the link, then C logits, C = ``n_components``. All
    components start from the same ``scale``; with ``learn`` each has its own. The other fields as in
    :class:`LocationScale`. Influential-factors paper, Table A.4, which takes two components for CelebA.
    """

    group = "likelihoods"
    n_components: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("likelihoods.GaussianMixture", n_components=self.n_components)

    @property
    def outputs(self) -> int:
        return 2 * self.n_components

    def build(self, event_shape: tuple[int, ...]) -> LikelihoodModule:
        """Return a fresh module."""
        return _GaussianMixtureModule(self, event_shape, (self.n_components,))


class _GaussianMixtureModule(LocationScaleModule):
    def mean(self, decoded: Tensor) -> Tensor:
        means, logits = self._components(decoded)
        return (logits.softmax(-1) * means).sum(-1)

    def distribution(self, decoded: Tensor) -> dist.TorchDistribution:
        means, logits = self._components(decoded)
        components = dist.Normal(means, self.scale, validate_args=False)
        shares = dist.Categorical(logits=logits, validate_args=False)
        return dist.MixtureSameFamily(shares, components, validate_args=False)

    def _components(self, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """Means and logits, each (rows, *event, C)."""
        means, logits = decoded.movedim(1, -1).chunk(2, -1)
        return self.link(means), logits
