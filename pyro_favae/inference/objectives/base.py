"""What an objective adds to the loss of a view's networks, and the dispatch on its declaration."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import singledispatch
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pyro_favae.models.objectives import Objective


class LatentBatch(NamedTuple):
    """q(z_n) = N(mean_n, diag variance_n) of the rows of a minibatch and one draw of each; all (rows, D)."""

    draws: Tensor
    mean: Tensor
    variance: Tensor


class ObjectiveTerm(ABC):
    """The extra term of one view in one run of training. What it learns of its own is its state, not the fit's."""

    @abstractmethod
    def penalty(self, batch: LatentBatch) -> Tensor:
        """What is added to the loss, in nats a row; gradients flow to the batch alone."""

    def learn(self, draws: Tensor) -> None:
        """Improve what the term itself learns, from latents (rows, D) without gradients, after the networks' step."""
        return

    def state_dict(self) -> dict[str, Any]:
        """What the next step depends on besides the networks."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        return


@singledispatch
def objective_term(objective: Objective, latent_dim: int, n_rows: int, device: torch.device) -> ObjectiveTerm:
    """Return a fresh term of a declared objective, for latents of D dimensions of the rows of a data set."""
    raise NotImplementedError(f"no inference for the objective {type(objective).__name__}")
