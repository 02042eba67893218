"""A small VAE, a deeper one by itself, and the deeper one beside what the small one has learnt."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.experiments.transfer.plans import Plan, Split
from pyro_favae.experiments.transfer.watch import Watch
from pyro_favae.fitting.learning import learn, seeded
from pyro_favae.inference.alone import PlainTraining
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.results.pretrained import NAME, one_view_guide

SMALL, DEEP = "small", "deep"


@dataclass(frozen=True, eq=False)
class Trained:
    """Networks of the deep VAE, what they made of held-out images epoch by epoch, and, if there is one, the fit."""

    vae: fv.Pretrained
    curve: pd.DataFrame
    fit: fv.Fit | None = None

    @property
    def seconds(self) -> float:
        """Of its training."""
        return float(self.curve["seconds"].iloc[-1])


def train_small(split: Split, plan: Plan, *, seed: int, progress: bool) -> fv.Pretrained:
    """The small VAE, trained without anything else."""
    return fv.pretrain(
        plan.small,
        split.images,
        epochs=plan.small_epochs,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        seed=seed,
        progress=progress,
    )


def train_alone(split: Split, plan: Plan, beta: float, *, seed: int, progress: bool) -> Trained:
    """The deep β-VAE, z ~ N(0, I)."""
    with seeded(seed, "auto") as place:
        guide = one_view_guide(plan.alone(beta))
        guide.model.to(place)
        guide.to(place)
        dataset = prepare(guide.declaration, {NAME: split.images})
        guide.model.n_rows = len(dataset)
        watch = Watch(guide, NAME, {NAME: split.test})
        training = PlainTraining(guide, NAME, dataset, _settings(plan, seed, progress, watch))
        training()
    return Trained(fv.Pretrained(guide, training.history), watch.curve)


def train_beside(
    small: fv.Pretrained,
    split: Split,
    plan: Plan,
    *,
    seed: int,
    progress: bool,
    schedule: str = "joint",
    start: str = "aligned",
) -> Trained:
    """The deep VAE as one view of an FA-VAE, the small one's latents as the other. Figure 11.

    schedule, start: those of :func:`pyro_favae.fit`.
    """
    frozen = fv.views.Frozen(plan.small.latent_dim, variances=True)
    model = fv.FAVAE({SMALL: frozen, DEEP: plan.deep}, plan.n_factors)
    latents, test_latents = (_latents(small, images) for images in (split.images, split.test))
    watches: list[Watch] = []

    def look_at(guide: FAVAEGuide) -> None:
        watches.append(Watch(guide, DEEP, {SMALL: test_latents, DEEP: split.test}))

    settings = _settings(
        plan, seed, progress, lambda record: watches[0](record), schedule=schedule, start=start
    )
    dataset = prepare(model, {SMALL: latents, DEEP: split.images})
    fit = learn(model, dataset, settings, Scope.afresh(model.views, [DEEP]), "auto", look_at, "fit", None)
    return Trained(fit.pretrained(DEEP), watches[0].curve, fit)


def _latents(vae: fv.Pretrained, images: np.ndarray) -> np.ndarray:
    """Means and variances side by side, as a frozen view takes them."""
    return np.concatenate(vae.encode(images), 1)


def _settings(plan: Plan, seed: int, progress: bool, watch, **options) -> Settings:
    return Settings(
        epochs=plan.epochs,
        tolerance=1e-12,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        seed=seed,
        progress=progress,
        callbacks=[watch],
        **options,
    )
