"""β-TCVAE: the total correlation of the aggregate posterior, estimated from a minibatch."""

import math

import torch
from torch import Tensor
from torch.distributions import Normal

from pyro_favae.inference.objectives.base import LatentBatch, ObjectiveTerm, objective_term
from pyro_favae.models.objectives import TotalCorrelation


def total_correlation(batch: LatentBatch, n_rows: int) -> Tensor:
    """KL( q(z) ‖ Π_h q(z_h) ) of q(z) = 1/N Σ_n q(z | x_n), in nats.

    At a draw z_i of row i, q(z_i) = q(z_i | x_i) / N + (N − 1) / N · mean of q(z_i | x_j) over the other rows, of
    which those of the minibatch stand for all: unbiased for q, and for its logarithm as minibatches grow.
    """
    draws, mean, variance = batch
    size = len(draws)
    n_rows = max(n_rows, size)
    density = Normal(mean, variance.sqrt(), validate_args=False).log_prob(
        draws[:, None]
    )  # (i, j, D): q(z_i | x_j)
    weights = draws.new_full((size, size), math.log((n_rows - 1) / (n_rows * (size - 1))))
    weights.fill_diagonal_(-math.log(n_rows))
    joint = torch.logsumexp(density.sum(2) + weights, 1)
    single = torch.logsumexp(density + weights[..., None], 1).sum(1)
    return (joint - single).mean()


class TotalCorrelationTerm(ObjectiveTerm):
    """(β − 1) KL( q(z) ‖ Π_h q(z_h) ); Chen et al. (2018), Eq. 4."""

    def __init__(self, weight: float, n_rows: int) -> None:
        self.weight, self.n_rows = weight, n_rows

    def penalty(self, batch: LatentBatch) -> Tensor:
        if len(batch.mean) < 2:  # one row says nothing of q(z)
            return batch.mean.new_zeros(())
        return self.weight * total_correlation(batch, self.n_rows)


@objective_term.register
def _(
    objective: TotalCorrelation, latent_dim: int, n_rows: int, device: torch.device
) -> TotalCorrelationTerm:
    return TotalCorrelationTerm(objective.beta - 1, n_rows)
