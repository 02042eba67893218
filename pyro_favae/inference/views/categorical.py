"""Inference of a categorical view by Bouchard's bound, a logistic one for each class."""

import torch
from torch import Tensor

from pyro_favae.data.observed import Observed
from pyro_favae.inference.bounds import bouchard_shift, jaakkola_curvature
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.views.base import view_inference
from pyro_favae.inference.views.logistic import LogisticInference, LogisticRows
from pyro_favae.models.views import Categorical


class CategoricalRows(LogisticRows):
    """log Σ_c exp z_c ≤ a + Σ_c log(1 + exp(z_c − a)), and Jaakkola's bound on each of these at ξ_c.

    Bouchard (2007). ``data`` is one-hot, (rows, C); a (rows, 1) is the bound's own shift.
    """

    def __init__(self, view: ViewSnapshot, observed: Tensor | Observed, data: Tensor) -> None:
        self.shift = data.new_zeros(len(data), 1, dtype=torch.float64)
        super().__init__(view, observed, data)

    def logit_slope(self, curvature: Tensor) -> Tensor:
        return self.data - 0.5 + curvature * self.shift

    def constant(self) -> Tensor:
        squares = jaakkola_curvature(self.xi) * (self.xi.square() - self.shift.square())
        of_classes = torch.nn.functional.logsigmoid(self.xi) - self.xi / 2 + squares
        return of_classes + self.shift * (0.5 - 1 / self.data.shape[1])

    def tighten(self, mean: Tensor, variance: Tensor) -> None:
        self.shift = bouchard_shift(mean, variance, self.shift)
        self.xi = ((mean - self.shift).square() + variance).sqrt()


class CategoricalInference(LogisticInference):
    """q(z | g, W) of the classes' logits."""

    bounded = CategoricalRows

    def labels(self, data: Tensor, view: ViewSnapshot) -> Tensor:
        """One-hot codes."""
        classes = torch.arange(len(view.weights.mean), device=data.device)
        return (data.long()[:, None] == classes).to(torch.float64)


@view_inference.register
def _(view: Categorical) -> CategoricalInference:
    return CategoricalInference()
