"""Sequences of vectors, of different lengths, behind a VAE with recurrent networks."""

from collections.abc import Sequence as Rows
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from pyro_favae.errors import DataError
from pyro_favae.models.declaration import require_choice, require_count
from pyro_favae.models.likelihoods import Gaussian, Likelihood
from pyro_favae.models.objectives import Objective, Plain
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.real import Standardise
from pyro_favae.models.views.standardised import StandardisedView

Cell = Literal["gru", "lstm"]
CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


@dataclass(frozen=True)
class Sequence(StandardisedView):
    """x_ntd ~ likelihood(decoder(z_n)_td), z_n ~ N(W g_n + b, 1/τ): data (rows, length, features).

    length: T, of the longest sequence; shorter ones end in NaN, or come in a list of arrays (t_n, features). cell:
    ``"gru"`` or ``"lstm"``, with ``hidden`` units: the encoder of q(z) reads its state at the last step of which
    anything is observed; the decoder unrolls T steps from z. likelihood: of each entry. standardise: by feature over
    all steps, as in :class:`StandardisedView`. beta: tempers the view's likelihood by 1/beta while learning. NaN
    marks missing entries and steps: zeros for the encoder, which is also told which are observed, and no part of the
    likelihood. A row of NaN lacks the view. FA-VAE paper, Eqs. 7 and 8.
    """

    group = "views"
    length: int
    features: int
    latent_dim: int
    cell: Cell = "gru"
    hidden: int = 128
    likelihood: Likelihood = field(default_factory=lambda: Gaussian(1.0, learn=True, link="identity"))
    standardise: Standardise | None = None
    beta: float = 1.0
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None
    objective: Objective = field(default_factory=Plain)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_count("views.Sequence", length=self.length, features=self.features, hidden=self.hidden)
        require_choice("views.Sequence", CELLS, cell=self.cell)

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (self.length, self.features)

    def encoder(self) -> nn.Module:
        return SequenceEncoder(self)

    def decoder(self) -> nn.Module:
        return SequenceDecoder(self)

    def collected(self, name: str, rows: Rows[np.ndarray]) -> np.ndarray:
        """Sequences (t_n, features), or (t_n,) of a single feature, padded with NaN to (rows, length, features)."""
        padded = np.full((len(rows), self.length, self.features), np.nan)
        for i, row in enumerate(rows):
            row = row[:, None] if row.ndim == 1 and self.features == 1 else row
            if row.ndim != 2 or row.shape[1] != self.features:
                raise DataError(
                    f"view {name!r}: sequence {i} has shape {row.shape}, expected (steps, {self.features}); one row "
                    "for each step, one column for each feature"
                )
            if len(row) > self.length:
                raise DataError(
                    f"view {name!r}: sequence {i} has {len(row)} steps, expected at most {self.length}; declare "
                    f"views.Sequence(length={len(row)}, ...), or cut it into windows"
                )
            padded[i, : len(row)] = row
        return padded


class SequenceEncoder(nn.Module):
    """Reads (rows, T, inputs), of which the last ``features`` say what is observed; what follows that is not seen."""

    def __init__(self, view: Sequence) -> None:
        super().__init__()
        self.features = view.features
        self.recurrent = CELLS[view.cell](view.inputs_shape[-1], view.hidden, batch_first=True)
        self.moments = nn.Linear(view.hidden, 2 * view.latent_dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """Means and log variances, (rows, 2 D)."""
        known = (inputs[..., -self.features :] > 0).any(-1)
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        last = (known * steps).amax(1)
        states, _ = self.recurrent(inputs[:, : int(last.max()) + 1])
        return self.moments(states[torch.arange(len(states), device=inputs.device), last])


class SequenceDecoder(nn.Module):
    """z is the first state, by a linear map, and the input of every step."""

    def __init__(self, view: Sequence) -> None:
        super().__init__()
        self.length, self.outputs, self.features = view.length, view.likelihood.outputs, view.features
        self.states = 2 if view.cell == "lstm" else 1
        self.start = nn.Linear(view.latent_dim, self.states * view.hidden)
        self.recurrent = CELLS[view.cell](view.latent_dim, view.hidden, batch_first=True)
        self.values = nn.Linear(view.hidden, self.outputs * view.features)

    def forward(self, latents: Tensor) -> Tensor:
        """(rows, D) → (rows, T, features), or (rows, outputs, T, features)."""
        start = [half[None].contiguous() for half in self.start(latents).tanh().chunk(self.states, dim=1)]
        inputs = latents[:, None].expand(-1, self.length, -1)
        states, _ = self.recurrent(inputs, tuple(start) if self.states == 2 else start[0])
        values = self.values(states)
        return (
            values if self.outputs == 1 else values.unflatten(-1, (self.outputs, self.features)).movedim(2, 1)
        )
