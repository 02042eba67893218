"""A classifier of real images that judges generated ones."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional

from pyro_favae.errors import DataError
from pyro_favae.experiments.supervised import train_network

_PEAK_LEARNING_RATE = 1e-2


@dataclass(frozen=True, eq=False)
class Judge:
    """A trained classifier.

    Attributes:
        network: maps (n, C, H, W) float images in [0, 1] to (n, classes or attributes) logits.
        multilabel: whether the logits are those of separate binary attributes, not of exclusive classes.
    """

    network: nn.Module
    multilabel: bool

    @torch.no_grad()
    def predict(self, images: ArrayLike | Tensor) -> np.ndarray:
        """Return (n,) classes, or (n, A) probabilities of the attributes, for (n, C, H, W) images."""
        batches = _pixels(images).split(1024)
        logits = torch.cat([self.network(batch) for batch in batches])
        return (logits.sigmoid() if self.multilabel else logits.argmax(1)).numpy()


def train_judge(
    images: ArrayLike | Tensor, labels: ArrayLike | Tensor, *, epochs: int = 3, seed: int = 0
) -> Judge:
    """Train a small convolutional classifier; the global random state is left as it was.

    Args:
        images: (n, C, H, W), floats in [0, 1] or uint8; height and width of 8 or more.
        labels: (n,) integer classes 0, 1, ..., or (n, A) binary attributes.
        epochs: passes over the images; small sets need more of them (about 20 for 1,500 images).
        seed: of the initial weights and the order of the rows.
    """
    pixels, targets = _pixels(images), torch.as_tensor(labels)
    if len(pixels) != len(targets) or targets.ndim not in (1, 2):
        raise DataError(
            f"labels: expected ({len(pixels)},) classes or ({len(pixels)}, A) attributes, one row an image, "
            f"got shape {tuple(targets.shape)}"
        )
    multilabel = targets.ndim == 2
    targets = targets.float() if multilabel else targets.long()
    n_outputs = targets.shape[1] if multilabel else int(targets.max()) + 1
    loss = functional.binary_cross_entropy_with_logits if multilabel else functional.cross_entropy
    network = train_network(
        lambda: _network(pixels.shape[1], n_outputs),
        pixels,
        targets,
        loss,
        epochs=epochs,
        peak_learning_rate=_PEAK_LEARNING_RATE,
        seed=seed,
    )
    return Judge(network=network, multilabel=multilabel)


def _network(channels: int, n_outputs: int) -> nn.Sequential:
    """Return three convolutions, halved in between, read off on a 2 by 2 grid: any size from 8 by 8 up."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]

    return nn.Sequential(
        *block(channels, 16),
        nn.MaxPool2d(2),
        *block(16, 32),
        nn.MaxPool2d(2),
        *block(32, 64),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 64, n_outputs),
    )


def _pixels(images: ArrayLike | Tensor) -> Tensor:
    """Return (n, C, H, W) images as floats in [0, 1]."""
    pixels = torch.as_tensor(images)
    if pixels.ndim != 4 or min(pixels.shape[2:]) < 8:
        raise DataError(
            "images: expected (n, channels, height, width) of 8 pixels a side or more, "
            f"got {tuple(pixels.shape)}"
        )
    return pixels / 255 if pixels.dtype == torch.uint8 else pixels.float()
