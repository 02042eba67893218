"""An unsupervised VAE, trained, then plugged in and conditioned on attributes."""

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

import pyro_favae as fv
from pyro_favae.experiments.conditioning.cells import evened_out, labels_of
from pyro_favae.experiments.conditioning.plans import Plan, Split, with_mirror_images

FACE, ATTRIBUTE, COMBINATION = "face", "attributes", "combination"
FEWEST = 0.01  # share of the rows that a combination must have to be conditioned on
TOLERANCE = 2e-5  # some ten nats: what is drawn does not change after that


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The VAE before and the fit after, each with its number of rows, and the seconds that conditioning took.

    levels: what images that lack an attribute, and that have it, show of it on average (A, 2): what an edited one is
    to show where it is switched off and on. Halfway between them begins what is predicted to have it. strength: of
    each attribute in what is drawn (A,), as in the plan.
    """

    vae: fv.Pretrained
    fit: fv.Fit
    rows: tuple[int, int]
    seconds: float
    levels: np.ndarray
    strength: tuple[float, ...]

    def given(self, attributes: np.ndarray) -> dict[str, Any]:
        """What the fit is told in order to draw images with attributes, (rows, A) of 0 and 1."""
        values, prior = np.asarray(attributes, float), self.fit.declaration.factors
        given = {ATTRIBUTE: 0.5 + np.array(self.strength) * (values - 0.5)}
        if prior.column is None:
            return given
        combinations = [label if label in prior.groups else None for label in labels_of(values)]
        return {**given, prior.column: combinations}

    def generate(self, attributes: np.ndarray, seed: int | None = None) -> np.ndarray:
        """One image (rows, C, H, W) for each row of attributes (rows, A), latents sampled."""
        return self.fit.generate(FACE, self.given(attributes), seed=seed)[0]

    def edit(self, images: np.ndarray, name: str, on: bool) -> np.ndarray:
        """Images (n, C, H, W) with one attribute switched on or off and the rest of them kept."""
        names = self.fit.declaration.views[ATTRIBUTE].feature_names
        return self.fit.edit(FACE, images, {name: self.levels[names.index(name), int(on)]})

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Which attributes images (n, C, H, W) show, (n, A) booleans."""
        return self.fit.predict(ATTRIBUTE, {FACE: images}).mean > self.levels.mean(1)


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
    rows in which every combination of attributes is as frequent (the paper: "in a stratified manner"). A combination
    is a group of rows under the factors' prior: images of one vary more, and otherwise, than those of another. The
    attributes are real numbers, 0 and 1, whose factors have one covariance for a whole combination: a sweep takes
    hundredths of a second, where a binary view, with a covariance a row, takes seconds.
    """
    begin, rows = perf_counter(), stratified(split, seed)
    data = {FACE: split.images[rows], ATTRIBUTE: split.attributes.to_numpy(float)[rows]}
    views = {FACE: vae.view, ATTRIBUTE: fv.views.Real(tuple(split.attributes.columns))}
    model = fv.FAVAE(views, plan.n_factors)
    if plan.grouped:
        data[COMBINATION] = labels_of(data[ATTRIBUTE])
        groups = tuple(np.unique(data[COMBINATION]).tolist())
        model = replace(model, factors=fv.priors.Grouped(groups, column=COMBINATION))
    fit = fv.fit(
        model,
        data,
        epochs=plan.sweeps,
        tolerance=TOLERANCE,
        pretrained={FACE: vae},
        seed=seed,
        progress=progress,
    )
    seconds = perf_counter() - begin
    sizes = ((1 + plan.mirrored) * len(split.images), len(rows))
    return Conditioned(vae, fit, sizes, seconds, means_shown(fit, split), plan.strength)


def means_shown(fit: fv.Fit, split: Split) -> np.ndarray:
    """Mean of what images are predicted to show of each attribute, of those that lack and have it, (A, 2)."""
    predicted, truth = fit.predict(ATTRIBUTE, {FACE: split.images}).mean, split.attributes.to_numpy()
    return np.array(
        [[shown[has == on].mean() for on in (0, 1)] for shown, has in zip(predicted.T, truth.T, strict=True)]
    )


def stratified(split: Split, seed: int) -> np.ndarray:
    """Rows to learn from in which every combination of attributes that is not too rare is as frequent."""
    return evened_out(split.attributes, round(FEWEST * len(split.attributes)), seed)
