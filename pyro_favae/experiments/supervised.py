"""Training a classifier, for what judges images and for what reads latents."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

BATCH = 128


def train_network(
    build: Callable[[], nn.Module],
    inputs: Tensor,
    targets: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    *,
    epochs: int,
    peak_learning_rate: float,
    seed: int,
) -> nn.Module:
    """Build a network and train it on (n, ...) inputs; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build()
        optimiser = torch.optim.AdamW(network.parameters())
        steps = epochs * -(-len(inputs) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak_learning_rate, total_steps=steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(inputs)).split(BATCH):
                optimiser.zero_grad()
                loss(network(inputs[rows]), targets[rows]).backward()
                optimiser.step()
                schedule.step()
    return network.eval().requires_grad_(False)
