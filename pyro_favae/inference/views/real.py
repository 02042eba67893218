"""Inference of a real view: its latents are its data."""

from torch import Tensor

from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.views.base import ViewInference, view_inference
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.views import Real
from pyro_favae.models.views.real import RealEmission


class RealInference(ViewInference):
    """q(z) is a point; the likelihood is the Jacobian of the change of units."""

    def rows(
        self, data: Tensor, observed: Tensor, posterior: ViewPosterior, emission: RealEmission
    ) -> GaussianRows:
        latents = emission.encode(data)
        jacobian = -emission.scale.log().sum() * observed.sum()
        return GaussianRows(posterior, observed, latents, log_likelihood=jacobian)


@view_inference.register
def _(view: Real) -> RealInference:
    return RealInference()
