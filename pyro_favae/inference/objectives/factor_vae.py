"""FactorVAE: the total correlation of the aggregate posterior, told by a discriminator."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus

from pyro_favae.inference.objectives.base import LatentBatch, ObjectiveTerm, objective_term
from pyro_favae.models.objectives import FactorVAE

SLOPE = 0.2  # of the leaky ReLU, and the decay of Adam's moments, as in the paper
DECAY = (0.5, 0.9)


def permuted(draws: Tensor) -> Tensor:
    """Each dimension of latents (rows, D) permuted over the rows: draws of Π_h q(z_h). Kim and Mnih, Algorithm 1."""
    return draws.gather(0, torch.rand_like(draws).argsort(0))


class FactorVAETerm(ObjectiveTerm):
    """γ E_q(z)[ log D(z) − log(1 − D(z)) ], Kim and Mnih (2018), Eqs. 2 and 3; owns D and its optimiser.

    What D computes is the logit of its probability, and thus log q(z) − Σ_h log q(z_h) once it has learnt it.
    """

    def __init__(self, objective: FactorVAE, latent_dim: int, device: torch.device) -> None:
        self.gamma = objective.gamma
        self.discriminator = _discriminator([latent_dim, *objective.hidden]).to(device)
        self.optimiser = torch.optim.Adam(
            self.discriminator.parameters(), lr=objective.learning_rate, betas=DECAY
        )

    def penalty(self, batch: LatentBatch) -> Tensor:
        fixed = {name: values.detach() for name, values in self.discriminator.named_parameters()}
        return self.gamma * functional_call(self.discriminator, fixed, (batch.draws.float(),)).mean()

    def learn(self, draws: Tensor) -> None:
        draws = draws.float()
        real, independent = self.discriminator(draws), self.discriminator(permuted(draws))
        loss = 0.5 * (softplus(-real) + softplus(independent)).mean()  # cross entropy
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        return {"discriminator": self.discriminator.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimiser.load_state_dict(state["optimiser"])


def _discriminator(sizes: list[int]) -> nn.Sequential:
    """(rows, D) → (rows, 1) logits."""
    layers = []
    for seen, size in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(seen, size), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))


@objective_term.register
def _(objective: FactorVAE, latent_dim: int, n_rows: int, device: torch.device) -> FactorVAETerm:
    return FactorVAETerm(objective, latent_dim, device)
