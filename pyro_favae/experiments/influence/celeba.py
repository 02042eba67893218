"""Influential factors of faces: discovery and generation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pyro_favae as fv
from pyro_favae.experiments.experiment import Size
from pyro_favae.experiments.influence import tables
from pyro_favae.experiments.influence.images import (
    ImageStudy,
    discovery_section,
    generation_section,
    numbers_of,
    setting_of,
)
from pyro_favae.experiments.influence.schedule import Schedule

#: Table A.4: a mixture of two Gaussians. The paper prints neither β nor scales. β · scale², the price of a nat in
#: squared error, is here about a thousandth of an image's variance.
VIEW = fv.views.Image(
    (3, 64, 64),
    latent_dim=128,
    network="influence-celeba",
    likelihood=fv.likelihoods.GaussianMixture(0.1),
    beta=100.0,
)


@dataclass(frozen=True, kw_only=True)
class FaceSchedule(Schedule):
    """How long to learn, and from what."""

    images: int | None  # of the set, all when None
    tested: int


SCHEDULES = {
    "small": FaceSchedule(images=8_000, tested=500, epochs=10, learning_rate=3e-3, batch_size=16),
    "paper": FaceSchedule(images=None, tested=10_000, epochs=20, learning_rate=5e-4, batch_size=64),
}


def influence_celeba(root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str:
    """Learn from CelebA's faces below ``root``, measure on others, chosen by ``seed``. Figures show faces."""
    schedule = SCHEDULES[size]
    cache = out / "faces.npy" if schedule.images is None else None
    faces = fv.datasets.load_celeba(root, cache=cache, progress=progress).images[: schedule.images]
    order = np.random.default_rng(seed).permutation(len(faces))
    test, learn = np.split(order, [min(schedule.tested, len(order) // 8)])
    vae = schedule.learn(VIEW, faces[np.sort(learn)], out / "vae.favae", seed=seed, progress=progress)
    study = ImageStudy.of(vae, faces[np.sort(test)].astype(np.float32) / 255)
    sections = [
        "# Influential factors of CelebA",
        setting_of(vae, len(learn), len(test), seed),
        discovery_section(study.discovery),
        generation_section(study.generation, published=False),
        f"All factors together reconstruct {study.explained:.1%} of the variance of pixels.",
    ]
    return tables.write(out, sections, study.figures({}), numbers_of(study))
