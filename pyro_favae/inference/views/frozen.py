"""Inference of embeddings: q(z) is given."""

from torch import Tensor

from pyro_favae.data.observed import Observed
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.views.base import ViewInference, view_inference
from pyro_favae.inference.views.gaussian import GaussianRows, sample_gaussian
from pyro_favae.inference.views.real import log_jacobian
from pyro_favae.models.views import Frozen
from pyro_favae.models.views.frozen import FrozenEmission


class FrozenInference(ViewInference[FrozenEmission, GaussianRows]):
    """q(z) = N(mean, diag variance) as data; a point, with the Jacobian of its units, where there is no variance."""

    def rows(
        self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: FrozenEmission
    ) -> GaussianRows:
        mean, variance = emission.encode(data)
        if variance is None:
            return GaussianRows(
                view, observed, mean, log_likelihood=log_jacobian(emission.unit, observed.mask)
            )
        return GaussianRows(view, observed, mean, variance)

    def known_latents(self, data: Tensor, emission: FrozenEmission) -> Tensor | None:
        mean, variance = emission.encode(data)
        return mean if variance is None else None

    def sample_before(self, name: str, rows: GaussianRows) -> Tensor | None:
        return sample_gaussian(name, rows)


@view_inference.register
def _(view: Frozen) -> FrozenInference:
    return FrozenInference()
