"""What a new network is taught by the row's other views while neither its encoder nor its decoder knows anything.

With the prior p that the other views give, E_p log p(x | z) − KL(q ‖ p) stands in for the bound of latents that are
taught, and is one too: with p in the place of q the divergence is 0. The decoder learns from latents drawn from p,
the encoder from p itself, and neither waits for the other.
"""

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from pyro_favae.inference.linear_algebra import cholesky


def whole(prior: dist.TorchDistribution, like: Tensor) -> dist.MultivariateNormal:
    """The same Gaussian with a matrix for each row, of the type of ``like``."""
    root = cholesky(prior.covariance_matrix, "latents").to(like)
    return dist.MultivariateNormal(prior.mean.to(like), scale_tril=root, validate_args=False)


def drawn_from(
    encoded: dist.Independent, prior: dist.MultivariateNormal, taught: Tensor
) -> dist.MultivariateNormal:
    """What the decoder's latents are drawn from: the prior where they are taught, (rows, D) booleans, else q(z | x).

    Latents that are taught must be independent of the rest under the prior.
    """
    deviation = torch.diag_embed(encoded.base_dist.scale)
    location = torch.where(taught, prior.loc, encoded.mean)
    root = torch.where(taught[:, :, None] & taught[:, None, :], prior.scale_tril, deviation)
    return dist.MultivariateNormal(location, scale_tril=root, validate_args=False)


def lesson(
    encoded: dist.Independent, source: dist.MultivariateNormal, prior: dist.MultivariateNormal
) -> Tensor:
    """KL(q ‖ p) in the place of the divergence of what latents are drawn from, summed over rows, in nats."""
    return (kl_divergence(encoded, prior) - kl_divergence(source, prior)).sum()
