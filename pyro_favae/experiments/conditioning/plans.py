"""What is trained on how much, by size of the experiment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import pyro_favae as fv
from pyro_favae.experiments.conditioning.cells import held_out_rows
from pyro_favae.experiments.experiment import Size

ATTRIBUTES = ("Smiling", "Wearing_Lipstick", "Male")
STRENGTH = (
    1.15,
    1.35,
    1.5,
)  # of each: as often seen in images drawn as in reconstructions, on part of the rows learnt
HELD_OUT = 0.3  # share of each combination's rows


@dataclass(frozen=True)
class Plan:
    """Sizes and budgets.

    mirrored: learn from mirror images too. crop: as in :func:`pyro_favae.datasets.load_celeba`. pooled: the judge
    sees means over squares of so many pixels a side, so that it reads what is drawn rather than how sharply.
    strength: how far from halfway between 0 and 1 each attribute is asked for when images are drawn; 1 is the labels
    themselves. grouped: every combination of attributes is a group of rows under the factors' prior. sweeps: of the
    closed form, at most; 150 are those of Appendix A.1.
    """

    face: fv.views.Image
    epochs: int
    batch_size: int
    learning_rate: float
    n_factors: int
    judge_epochs: int
    strength: tuple[float, ...]
    grouped: bool = True
    mirrored: bool = True
    crop: float = 1.0
    pooled: int = 2
    sweeps: int = 150


PLANS: Mapping[Size, Plan] = {
    "small": Plan(
        fv.views.Image((3, 32, 32), 64, network="small-normalised", likelihood=fv.likelihoods.Gaussian(0.1)),
        epochs=14,
        batch_size=64,
        learning_rate=3e-3,
        n_factors=64,
        judge_epochs=8,
        strength=STRENGTH,
        crop=0.6,
    ),
    "paper": Plan(
        fv.views.Image((3, 64, 64), 100, network="favae", likelihood=fv.likelihoods.Gaussian(0.1)),
        epochs=100,
        batch_size=128,
        learning_rate=5e-4,
        n_factors=100,
        judge_epochs=8,
        strength=STRENGTH,
    ),
}

# small digits that need no download, to try everything on
DIGITS = Plan(
    fv.views.Image((1, 8, 8), 10, network="small-normalised", likelihood=fv.likelihoods.Gaussian(0.15)),
    epochs=20,
    batch_size=64,
    learning_rate=3e-3,
    n_factors=8,
    judge_epochs=10,
    strength=(1.3, 1.3),
    mirrored=False,
    pooled=1,
)


@dataclass(frozen=True, eq=False)
class Split:
    """Images (n, C, H, W) and binary attributes to learn from, and held out."""

    images: np.ndarray
    attributes: pd.DataFrame
    test_images: np.ndarray
    test_attributes: pd.DataFrame

    @classmethod
    def of(cls, images: np.ndarray, attributes: pd.DataFrame, seed: int) -> "Split":
        """Hold out the same share of every combination of attributes; images as floats in [0, 1]."""
        test = held_out_rows(attributes, HELD_OUT, seed)
        pixels = images.astype(np.float32) / 255 if images.dtype == np.uint8 else images
        return cls(pixels[~test], attributes[~test], pixels[test], attributes[test])


def with_mirror_images(images: np.ndarray, plan: Plan) -> np.ndarray:
    """The images, and behind them their mirror images if the plan wants them."""
    return np.concatenate([images, images[..., ::-1]]) if plan.mirrored else images


def load_faces(root: Path, plan: Plan, seed: int, progress: bool) -> Split:
    """Faces of CelebA under ``root``, as the plan wants them."""
    faces = fv.datasets.load_celeba(root, size=plan.face.shape[-1], crop=plan.crop, progress=progress)
    return Split.of(faces.images, faces.attributes[list(ATTRIBUTES)], seed)


def load_digits(seed: int = 0) -> Split:
    """Small digits and two of their attributes, in place of faces."""
    digits = fv.datasets.load_digits()
    return Split.of(digits.images, fv.datasets.digit_attributes(digits.labels)[["loop", "straight"]], seed)
