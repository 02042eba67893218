"""What is trained on how much, by size of the experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import pyro_favae as fv
from pyro_favae.experiments.experiment import Size


@dataclass(frozen=True)
class Plan:
    """Sizes and budgets.

    rows: images to learn from, all but the held-out when None. betas: of the deep VAE by itself, the strengths of its
    divergence. crop: as in :func:`pyro_favae.datasets.load_celeba`.
    """

    small: fv.views.Image
    deep: fv.views.Image
    betas: tuple[float, ...]
    rows: int | None
    held_out: int
    small_epochs: int
    epochs: int
    batch_size: int
    learning_rate: float
    crop: float = 1.0

    @property
    def n_factors(self) -> int:
        """As many as the small VAE has latents: each may be passed on."""
        return self.small.latent_dim

    def alone(self, beta: float) -> fv.views.Image:
        """The deep VAE by itself."""
        return replace(self.deep, beta=beta)


def deepened(small: fv.views.Image, network: str) -> fv.views.Image:
    """The same view behind deeper networks, whose latents may differ in how well others predict them."""
    return replace(small, network=network, noise=fv.priors.Gamma(per_feature=True))


FACE = fv.views.Image((3, 32, 32), 64, network="small-normalised", likelihood=fv.likelihoods.Gaussian(0.1))
PAPER = fv.views.Image((3, 64, 64), 100, network="favae", likelihood=fv.likelihoods.Gaussian(0.1))
DIGIT = fv.views.Image((1, 8, 8), 8, network="dense", likelihood=fv.likelihoods.Gaussian(0.15))

PLANS: Mapping[Size, Plan] = {
    "small": Plan(
        FACE,
        deepened(FACE, "deep-normalised"),
        betas=(1.0, 0.2),
        rows=3_000,
        held_out=1_000,
        small_epochs=15,
        epochs=15,
        batch_size=64,
        learning_rate=3e-3,
        crop=0.6,
    ),
    "paper": Plan(
        PAPER,
        deepened(PAPER, "favae-deep"),
        betas=(1.0, 0.2),
        rows=None,
        held_out=10_000,
        small_epochs=100,
        epochs=200,
        batch_size=128,
        learning_rate=5e-4,
    ),
}

# small digits that need no download, to try everything on
DIGITS = Plan(
    DIGIT,
    deepened(DIGIT, "small-normalised"),
    betas=(1.0, 0.2),
    rows=None,
    held_out=400,
    small_epochs=30,
    epochs=20,
    batch_size=64,
    learning_rate=3e-3,
)


@dataclass(frozen=True, eq=False)
class Split:
    """Images (n, C, H, W) in [0, 1] to learn from, and held out."""

    images: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray, plan: Plan, seed: int) -> "Split":
        """Hold out a random part, at most a quarter; images as floats or bytes."""
        pixels = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        order = np.random.default_rng(seed).permutation(len(pixels))
        test, learn = np.split(order, [min(plan.held_out, len(order) // 4)])
        return cls(pixels[learn[: plan.rows]], pixels[test])


def load_faces(root: Path, plan: Plan, seed: int, progress: bool) -> Split:
    """Faces of CelebA under ``root``, as the plan wants them."""
    faces = fv.datasets.load_celeba(root, size=plan.deep.shape[-1], crop=plan.crop, progress=progress)
    return Split.of(faces.images, plan, seed)


def load_digits(seed: int = 0) -> Split:
    """Small digits, in place of faces."""
    return Split.of(fv.datasets.load_digits().images, DIGITS, seed)
