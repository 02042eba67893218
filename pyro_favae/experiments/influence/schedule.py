"""How long an experiment's VAE learns."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pyro_favae as fv
from pyro_favae.models.views import DecoderView


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Passes over the data, and the gradient steps in them."""

    epochs: int
    learning_rate: float
    batch_size: int

    def learn(
        self, view: DecoderView, data: np.ndarray, path: Path, *, seed: int, progress: bool
    ) -> fv.Pretrained:
        """Train the view as a plain VAE on data (rows, *event), and save it."""
        vae = fv.pretrain(
            view,
            data,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            progress=progress,
        )
        vae.save(path)
        return vae
