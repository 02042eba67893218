"""Where domains come from: faces and cartoons, or digits and turned negatives of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import pyro_favae as fv
from pyro_favae.errors import DataError
from pyro_favae.experiments.domain_adaptation.domains import Domain
from pyro_favae.experiments.domain_adaptation.plans import Plan

GLASSES = "glasses"
#: hair colour → attributes of CelebA, names of the Cartoon Set's palette
COLOURS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "blond": (["Blond_Hair"], ["light_blond", "dark_blond", "golden"]),
    "dark": (["Brown_Hair", "Black_Hair"], ["brown", "black", "auburn"]),
    "grey": (["Gray_Hair"], ["silver", "blue_grey"]),
}


def load_faces_and_cartoons(root: Path, plan: Plan, progress: bool) -> dict[str, Domain]:
    """CelebA and the Cartoon Set under ``root``, labelled by hair colour and glasses."""
    size, (face_crop, cartoon_crop) = plan.image.shape[-1], plan.crops
    faces = fv.datasets.load_celeba(root, size=size, crop=face_crop, progress=progress)
    cartoons = fv.datasets.load_cartoons(root, size=size, crop=cartoon_crop, progress=progress)
    return {
        "face": Domain(_pixels(faces.images), face_labels(faces.attributes)),
        "cartoon": Domain(_pixels(cartoons.images), cartoon_labels(cartoons.attributes)),
    }


def face_labels(attributes: pd.DataFrame) -> pd.DataFrame:
    """Hair colour and glasses from CelebA's attributes; of two colours neither counts."""
    colours = pd.DataFrame(
        {colour: attributes[list(names)].any(axis=1) for colour, (names, _) in COLOURS.items()}
    )
    colours[colours.sum(axis=1) > 1] = False
    return colours.assign(**{GLASSES: attributes["Eyeglasses"]}).astype(int)


def cartoon_labels(attributes: pd.DataFrame) -> pd.DataFrame:
    """Hair colour and glasses from the packed Cartoon Set's columns ``hair_color_name`` and ``derived_glasses``.

    Raises :class:`DataError` where they are absent: the official files number their variants and do not name them.
    """
    needed = ["hair_color_name", "derived_glasses"]
    if not set(needed) <= set(attributes):
        raise DataError(
            f"cartoons have the columns {list(attributes)}, expected {needed}, which the packed form has; the "
            "official files give colours as numbers of a palette that they do not name"
        )
    colours = {colour: attributes[needed[0]].isin(list(names)) for colour, (_, names) in COLOURS.items()}
    return pd.DataFrame({**colours, GLASSES: attributes[needed[1]]}).astype(int)


def load_digits() -> dict[str, Domain]:
    """The digits 0 to 5 upright, and others, turned by a quarter and negative: three kinds, of which one is odd.

    They stand in for faces and cartoons: a kind is a pair of digits, 0 and 1, 2 and 3, 4 and 5.
    """
    digits = fv.datasets.load_digits()
    few = np.flatnonzero(digits.labels < 6)
    first, second = (
        Domain(digits.images[rows], _digit_labels(digits.labels[rows])) for rows in (few[::2], few[1::2])
    )
    turned = 1 - np.rot90(second.images, axes=(2, 3))
    return {"digit": first, "negative": Domain(np.ascontiguousarray(turned), second.labels)}


def _digit_labels(digits: np.ndarray) -> pd.DataFrame:
    kinds = {f"{2 * k} or {2 * k + 1}": digits // 2 == k for k in range(3)}
    return pd.DataFrame({**kinds, "odd": digits % 2 == 1}).astype(int)


def _pixels(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255
