"""A judge of attributes that looks at images a little from afar."""

from dataclasses import dataclass

import numpy as np

from pyro_favae.experiments.conditioning.plans import Plan, Split, with_mirror_images
from pyro_favae.experiments.conditioning.training import stratified
from pyro_favae.experiments.judge import Judge, train_judge


@dataclass(frozen=True, eq=False)
class AttributeJudge:
    """A multilabel classifier of real images, averaged over squares of ``pooled`` pixels a side.

    A VAE's images are smoother than real ones; a judge that sees single pixels takes smoothness for an attribute.
    """

    judge: Judge
    pooled: int

    def verdict(self, images: np.ndarray) -> np.ndarray:
        """Which attributes it sees in (n, C, H, W) images: (n, A) booleans."""
        return self.judge.predict(averaged(images, self.pooled)) > 0.5


def train_attribute_judge(split: Split, plan: Plan, seed: int = 0) -> AttributeJudge:
    """Train on real images, each combination of attributes as often, so that it does not infer one from another."""
    rows = stratified(split, seed)
    images = averaged(with_mirror_images(split.images[rows], plan), plan.pooled)
    labels = split.attributes.to_numpy()[rows]
    labels = np.tile(labels, (len(images) // len(labels), 1))
    return AttributeJudge(train_judge(images, labels, epochs=plan.judge_epochs, seed=seed), plan.pooled)


def averaged(images: np.ndarray, side: int) -> np.ndarray:
    """Means over squares of ``side`` pixels of images (n, C, H, W) whose height and width it divides, as float32."""
    n, channels, height, width = images.shape
    squares = np.asarray(images, np.float32).reshape(n, channels, height // side, side, width // side, side)
    return squares.mean((3, 5))
