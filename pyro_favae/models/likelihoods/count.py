"""What likelihoods of counts share: an expected count whose logarithm the decoder gives."""

from torch import Tensor
from torch import float64 as double

from pyro_favae.models.likelihoods.base import LikelihoodModule

LARGEST_LOG = 25.0  # of an expected count, in absolute value: 1.4e-11 to 7.2e10


class CountModule(LikelihoodModule):
    """Works in double precision: densities of large counts are small differences of large terms."""

    def log_mean(self, decoded: Tensor) -> Tensor:
        """Log of the expected counts, clamped to ±:data:`LARGEST_LOG` for the values but not for gradients.

        So a decoder that has gone astray still learns which way is back.
        """
        decoded = decoded.to(double)
        return decoded + (decoded.clamp(-LARGEST_LOG, LARGEST_LOG) - decoded).detach()

    def mean(self, decoded: Tensor) -> Tensor:
        return self.log_mean(decoded).exp()

    def encode(self, data: Tensor) -> Tensor:
        return data.log1p()
