"""Classifiers of latents, by themselves or frame by frame."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pyro_favae.experiments.supervised import train_network

PEAK_LEARNING_RATE = 3e-3


class LastState(nn.Module):
    """A recurrent network over frames (rows, frames, inputs), read off after the last. Table A.4: an LSTM of 128."""

    def __init__(self, inputs: int, classes: int, hidden: int = 128) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(inputs, hidden, batch_first=True)
        self.predictor = nn.Linear(hidden, classes)

    def forward(self, frames: Tensor) -> Tensor:
        """Logits, (rows, classes)."""
        return self.predictor(self.recurrent(frames)[0][:, -1])


def network_for(inputs: np.ndarray, classes: int) -> nn.Module:
    """One hidden layer for (rows, D), a recurrent network for (rows, frames, D)."""
    size = inputs.shape[-1]
    if inputs.ndim == 3:
        return LastState(size, classes)
    return nn.Sequential(nn.Linear(size, 256), nn.ReLU(), nn.Linear(256, classes))


@dataclass(frozen=True, eq=False)
class LatentClassifier:
    """A trained classifier of latents."""

    network: nn.Module

    @torch.no_grad()
    def accuracy(self, latents: np.ndarray, labels: np.ndarray) -> float:
        """Share of the rows whose likeliest class is theirs."""
        logits = self.network(torch.as_tensor(latents, dtype=torch.float32))
        return float((logits.argmax(1).numpy() == labels).mean())


def train_classifier(
    latents: np.ndarray, labels: np.ndarray, *, classes: int, epochs: int, seed: int
) -> LatentClassifier:
    """Train on latents (rows, D) or (rows, frames, D); the global random state is left as it was."""
    inputs, targets = torch.as_tensor(latents, dtype=torch.float32), torch.as_tensor(labels).long()
    network = train_network(
        lambda: network_for(latents, classes),
        inputs,
        targets,
        functional.cross_entropy,
        epochs=epochs,
        peak_learning_rate=PEAK_LEARNING_RATE,
        seed=seed,
    )
    return LatentClassifier(network)
