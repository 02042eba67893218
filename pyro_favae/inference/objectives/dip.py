"""DIP-VAE: penalties on a covariance of the latents."""

import torch
from torch import Tensor

from pyro_favae.inference.objectives.base import LatentBatch, ObjectiveTerm, objective_term
from pyro_favae.models.objectives import DIP


def latent_covariance(batch: LatentBatch, form: str) -> Tensor:
    """Cov[μ] over the rows, divided by their number, (D, D); for II plus the mean of diag s."""
    deviation = batch.mean - batch.mean.mean(0)
    covariance = deviation.mT @ deviation / len(deviation)
    return covariance + torch.diag(batch.variance.mean(0)) if form == "II" else covariance


class DIPTerm(ObjectiveTerm):
    """λ_od Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²; Kumar et al. (2018), Eqs. 6 and 7."""

    def __init__(self, objective: DIP) -> None:
        self.objective = objective

    def penalty(self, batch: LatentBatch) -> Tensor:
        covariance = latent_covariance(batch, self.objective.form)
        diagonal = covariance.diagonal()
        off_diagonal = covariance - torch.diag(diagonal)
        penalty = self.objective.off_diagonal * off_diagonal.square().sum()
        return penalty + self.objective.diagonal * (diagonal - 1).square().sum()


@objective_term.register
def _(objective: DIP, latent_dim: int, n_rows: int, device: torch.device) -> DIPTerm:
    return DIPTerm(objective)
