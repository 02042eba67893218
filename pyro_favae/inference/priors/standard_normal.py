"""Standard normal factors: nothing is shared by the rows."""

import torch
from torch import Tensor

from pyro_favae.inference.priors.base import FactorPosterior, Quadratic, factor_posterior
from pyro_favae.inference.statistics import FactorStatistics
from pyro_favae.inference.updates import LOG_2PI
from pyro_favae.models.priors import StandardNormal


class StandardNormalPosterior(FactorPosterior):
    """g_n ~ N(0, I): one component, at zero, that never moves."""

    _means: Tensor
    _log_weights: Tensor

    def __init__(self, n_factors: int) -> None:
        super().__init__()
        self.register_buffer("_means", torch.zeros(1, n_factors, dtype=torch.float64), persistent=False)
        self.register_buffer("_log_weights", torch.zeros(1, dtype=torch.float64), persistent=False)

    @property
    def component_means(self) -> Tensor:
        return self._means

    @property
    def log_weights(self) -> Tensor:
        return self._log_weights

    def update(self, statistics: FactorStatistics) -> None:
        return

    def elbo(self, statistics: FactorStatistics) -> dict[str, Tensor]:
        size = self._means.shape[1]
        return {"factors": -0.5 * (statistics.n * size * LOG_2PI + statistics.gg.trace())}

    def centring(self, statistics: FactorStatistics) -> tuple[float, Tensor]:
        return float(statistics.n), statistics.g

    def rotation(self, statistics: FactorStatistics) -> Quadratic:
        return Quadratic(float(statistics.n), statistics.gg)

    def transform(self, change: Tensor) -> None:
        return

    def sample(self) -> None:
        return

    def sample_component(self, responsibilities: Tensor) -> None:
        return


@factor_posterior.register
def _(prior: StandardNormal, n_factors: int) -> StandardNormalPosterior:
    return StandardNormalPosterior(n_factors)
