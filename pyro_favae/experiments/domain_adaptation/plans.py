"""What is trained on how much, by size of the experiment."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyro_favae as fv
from pyro_favae.experiments.experiment import Size


@dataclass(frozen=True)
class Plan:
    """Sizes and budgets.

    image: both domains' view. per_cell: pairs of each kind with, and without, the mark. epochs: passes of each VAE
    over the pairs and their mirror images. strength: of translations, see :func:`translate`. codes: values of the
    baseline's discrete code. code_beta: weight of the divergence of what is private to its images. crops: side of the
    central square that is kept, of faces and of cartoons.
    """

    image: fv.views.Image
    per_cell: int
    epochs: int
    batch_size: int
    learning_rate: float
    n_factors: int
    judge_epochs: int
    strength: float = 1.5
    codes: int = 10
    code_beta: float = 1500.0
    sweeps: int = 100
    mirrored: bool = True
    crops: tuple[float, float] = (0.6, 0.6)


PLANS: Mapping[Size, Plan] = {
    "small": Plan(
        fv.views.Image(
            (3, 32, 32), 128, network="small-normalised", likelihood=fv.likelihoods.Gaussian(0.05)
        ),
        per_cell=1000,
        epochs=14,
        batch_size=64,
        learning_rate=3e-3,
        n_factors=128,
        judge_epochs=8,
    ),
    "paper": Plan(
        fv.views.Image((3, 64, 64), 100, network="favae", likelihood=fv.likelihoods.Gaussian(0.1)),
        per_cell=1667,
        epochs=100,
        batch_size=128,
        learning_rate=5e-4,
        n_factors=100,
        judge_epochs=8,
    ),
}

# small digits that need no download, to try everything on
DIGITS = Plan(
    fv.views.Image((1, 8, 8), 10, network="small-normalised", likelihood=fv.likelihoods.Gaussian(0.15)),
    per_cell=200,
    epochs=20,
    batch_size=64,
    learning_rate=3e-3,
    n_factors=10,
    judge_epochs=20,
    code_beta=10.0,
    mirrored=False,
)
