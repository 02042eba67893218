"""Inference of a real view: its latents are its data."""

import torch
from torch import Tensor

from pyro_favae.data.observed import Observed
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.views.base import ViewInference, view_inference
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.views import Real
from pyro_favae.models.views.real import RealEmission


class RealInference(ViewInference[RealEmission, GaussianRows]):
    """q(z) is a point; the likelihood is the Jacobian of the change of units."""

    def rows(
        self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: RealEmission
    ) -> GaussianRows:
        worth = log_jacobian(emission.scale, observed.mask)
        return GaussianRows(view, observed, emission.encode(data), log_likelihood=worth)

    def known_latents(self, data: Tensor, emission: RealEmission) -> Tensor:
        return emission.encode(data)


def log_jacobian(scale: Tensor, observed: Tensor) -> Tensor:
    """Log density of data per latent, −Σ log scale_d over the observed entries, in nats; scale (D,)."""
    counts = observed.sum(0).to(torch.float64).expand(len(scale))
    return -(counts * scale.log()).sum()


@view_inference.register
def _(view: Real) -> RealInference:
    return RealInference()
