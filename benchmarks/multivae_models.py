"""MultiVae's models as the peers on two views: an image and the one-hot code of its class.

pip install multivae

Their own training loop, with the networks of ``fv.views.Image`` for the image and one hidden layer for the code; one
latent for both views, a Gaussian likelihood of pixels of the scale that ``fv.views.Image`` has, a categorical one of
classes, and likelihoods rescaled by the sizes of the views, as the library advises. Everything else is its default.
"""

import logging
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import pyro_favae as fv
from pyro_favae.datasets._torchvision import skip_missing_operators

MODELS = ("JMVAE", "MVAE", "MVTCAE", "MoPoE")
HIDDEN = 64  # of the code's networks
IMAGE, CODE = "image", "label"


def available() -> bool:
    return find_spec("multivae") is not None


@dataclass(frozen=True)
class Peer:
    """A trained model, and what it says of rows that have one of the views."""

    model: Any
    seconds: float  # of training

    def classes(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class of each image, (n,)."""
        return self._predicted(IMAGE, images, CODE, mean=True).argmax(1)

    def reconstructed(self, images: np.ndarray) -> np.ndarray:
        """From the mean of the latents that the image alone gives, (n, C, H, W)."""
        return self._predicted(IMAGE, images, IMAGE, mean=True)

    def generated(self, codes: np.ndarray) -> np.ndarray:
        """An image for each code, its latents drawn, (n, C, H, W)."""
        return self._predicted(CODE, codes, IMAGE, mean=False)

    @torch.no_grad()
    def _predicted(self, given: str, values: np.ndarray, wanted: str, mean: bool) -> np.ndarray:
        from multivae.data.datasets import MultimodalBaseDataset

        parts, shapes = [], self.model.input_dims
        for part in torch.as_tensor(values, dtype=torch.float32).split(500):
            unread = {name: torch.zeros(len(part), *shape) for name, shape in shapes.items()}  # some want it
            rows = MultimodalBaseDataset({**unread, given: part})
            told = self.model.predict(rows, cond_mod=given, gen_mod=wanted, return_mean=mean)
            parts.append(told[wanted].reshape(len(part), *shapes[wanted]))
        return torch.cat(parts).numpy()


def learnt(
    name: str,
    images: np.ndarray,
    codes: np.ndarray,
    *,
    latent_dim: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Peer:
    """Train one of :data:`MODELS` on images (N, C, H, W) in [0, 1] and codes (N, classes), on the CPU."""
    with skip_missing_operators():  # it imports torchvision
        from multivae import models
        from multivae.data.datasets import MultimodalBaseDataset
        from multivae.trainers import BaseTrainer, BaseTrainerConfig
    shapes = {IMAGE: images.shape[1:], CODE: codes.shape[1:]}
    warm_up = {"warmup": max(1, epochs // 2)} if name in ("JMVAE", "MVAE") else {}
    config = getattr(models, f"{name}Config")(
        n_modalities=2,
        latent_dim=latent_dim,
        input_dims=shapes,
        uses_likelihood_rescaling=True,
        decoders_dist={IMAGE: "normal", CODE: "categorical"},
        decoder_dist_params={IMAGE: {"scale": fv.likelihoods.Gaussian().scale}},
        **warm_up,
    )
    torch.manual_seed(seed)
    model = getattr(models, name)(config, *_networks(shapes, latent_dim))
    rows = MultimodalBaseDataset({IMAGE: torch.as_tensor(images), CODE: torch.as_tensor(codes).float()})
    logging.disable()  # its reports of every epoch
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            no_cuda=True,
        )
        begin = time.perf_counter()
        BaseTrainer(model, rows, training_config=settings).train()
        seconds = time.perf_counter() - begin
    logging.disable(logging.NOTSET)
    return Peer(model.eval(), seconds)


def _networks(shapes: dict[str, tuple[int, ...]], latent_dim: int) -> tuple[dict, dict]:
    """Encoders and decoders by view, in the classes that the library asks for."""
    from multivae.models.base import BaseDecoder, BaseEncoder, ModelOutput

    class Encoder(BaseEncoder):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network, self.latent_dim = network, latent_dim

        def forward(self, values: Tensor) -> ModelOutput:
            mean, log_variance = self.network(values).chunk(2, 1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
            super().__init__()
            self.network, self.shape, self.latent_dim = network, shape, latent_dim

        def forward(self, latents: Tensor) -> ModelOutput:
            decoded = self.network(latents.reshape(-1, latent_dim))
            return ModelOutput(reconstruction=decoded.reshape(*latents.shape[:-1], *self.shape))

    classes = shapes[CODE][0]
    image = fv.views.Image(shapes[IMAGE], latent_dim)
    code = (
        nn.Sequential(nn.Linear(classes, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 2 * latent_dim)),
        nn.Sequential(nn.Linear(latent_dim, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)),
    )
    encoders = {IMAGE: Encoder(image.encoder()), CODE: Encoder(code[0])}
    decoders = {
        IMAGE: Decoder(nn.Sequential(image.emission().decoder, nn.Sigmoid()), shapes[IMAGE]),
        CODE: Decoder(code[1], shapes[CODE]),
    }
    return encoders, decoders
