"""Inference of a binary view by Jaakkola's bound."""

import torch
from torch import Tensor

from pyro_favae.inference.bounds import jaakkola_curvature
from pyro_favae.inference.views.base import view_inference
from pyro_favae.inference.views.logistic import LogisticInference, LogisticRows
from pyro_favae.models.views import Bernoulli


class BernoulliRows(LogisticRows):
    """log σ((2x − 1) z) ≥ log σ(ξ) − ξ/2 + (x − ½) z − λ(ξ)(z² − ξ²)."""

    def logit_slope(self, curvature: Tensor) -> Tensor:
        return self.data - 0.5

    def constant(self) -> Tensor:
        squares = jaakkola_curvature(self.xi) * self.xi.square()
        return torch.nn.functional.logsigmoid(self.xi) - self.xi / 2 + squares

    def tighten(self, mean: Tensor, variance: Tensor) -> None:
        self.xi = (mean.square() + variance).sqrt()


class BernoulliInference(LogisticInference):
    """q(z | g, W) of logits of binary attributes."""

    bounded = BernoulliRows


@view_inference.register
def _(view: Bernoulli) -> BernoulliInference:
    return BernoulliInference()
