"""An unsupervised VAE, trained, then plugged in and conditioned on attributes."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np

import pyro_favae as fv
from pyro_favae.experiments.conditioning.cells import evened_out
from pyro_favae.experiments.conditioning.plans import Plan, Split, with_mirror_images

FACE, ATTRIBUTE = "face", "attributes"
FEWEST = 0.01  # share of the rows that a combination must have to be conditioned on
TOLERANCE = 1e-6  # of a bound that is mostly the pixels', which do not change
STRENGTH = 1.2  # of an edit; 1 is what images with the attribute, or without it, show on average


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The VAE before and the fit after, each with its number of rows, and the seconds that conditioning took.

    threshold: value of each attribute (A,) that is predicted of an image which shows it as little as not. levels:
    what an edited image is to show of each attribute (A, 2), where it is switched off and on.
    """

    vae: fv.Pretrained
    fit: fv.Fit
    rows: tuple[int, int]
    seconds: float
    threshold: np.ndarray
    levels: np.ndarray

    def edit(self, images: np.ndarray, name: str, on: bool) -> np.ndarray:
        """Images (n, C, H, W) with one attribute switched on or off and the rest of them kept."""
        names = self.fit.declaration.views[ATTRIBUTE].feature_names
        return self.fit.edit(FACE, images, {name: self.levels[names.index(name), int(on)]})

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Which attributes images (n, C, H, W) show, (n, A) booleans."""
        return self.fit.predict(ATTRIBUTE, {FACE: images}).mean > self.threshold


def train_vae(split: Split, plan: Plan, *, seed: int = 0, progress: bool = True) -> fv.Pretrained:
    """Train the VAE on images, without attributes."""
    return fv.pretrain(
        plan.face,
        with_mirror_images(split.images, plan),
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        seed=seed,
        progress=progress,
    )


def condition(
    vae: fv.Pretrained, split: Split, plan: Plan, *, seed: int = 0, progress: bool = True
) -> Conditioned:
    """Plug a trained VAE in beside the attributes, and condition it with few updates.

    The networks stay as they are: only the factor analysis between their latents and the attributes is learnt, on
    rows in which every combination of attributes is as frequent (the paper: "in a stratified manner"). The attributes
    are real numbers, 0 and 1, whose factors have one covariance for all rows: a sweep takes hundredths of a second,
    where a binary view, with a covariance a row, takes seconds.
    """
    begin, rows = perf_counter(), stratified(split, seed)
    attributes = fv.views.Real(tuple(split.attributes.columns))
    fit = fv.fit(
        fv.FAVAE({FACE: vae.view, ATTRIBUTE: attributes}, plan.n_factors),
        {FACE: split.images[rows], ATTRIBUTE: split.attributes.to_numpy(float)[rows]},
        epochs=plan.sweeps,
        tolerance=TOLERANCE,
        pretrained={FACE: vae},
        seed=seed,
        progress=progress,
    )
    seconds = perf_counter() - begin
    shown = means_shown(fit, split)
    halfway = shown.mean(1, keepdims=True)
    levels = halfway + STRENGTH * (shown - halfway)
    sizes = ((1 + plan.mirrored) * len(split.images), len(rows))
    return Conditioned(vae, fit, sizes, seconds, halfway[:, 0], levels)


def means_shown(fit: fv.Fit, split: Split) -> np.ndarray:
    """Mean of what images are predicted to show of each attribute, of those that lack and have it, (A, 2)."""
    predicted, truth = fit.predict(ATTRIBUTE, {FACE: split.images}).mean, split.attributes.to_numpy()
    return np.array(
        [[shown[has == on].mean() for on in (0, 1)] for shown, has in zip(predicted.T, truth.T, strict=True)]
    )


def stratified(split: Split, seed: int) -> np.ndarray:
    """Rows to learn from in which every combination of attributes that is not too rare is as frequent."""
    return evened_out(split.attributes, round(FEWEST * len(split.attributes)), seed)
