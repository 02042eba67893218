"""Experiment `transfer`: Section 3.3 of the FA-VAE paper."""

from pathlib import Path
from typing import cast

import numpy as np

import pyro_favae as fv
from pyro_favae.experiments.experiment import Size
from pyro_favae.experiments.influence import tables
from pyro_favae.experiments.transfer import figures
from pyro_favae.experiments.transfer.measures import (
    most_informative,
    most_relevant,
    r2_table,
    sooner,
)
from pyro_favae.experiments.transfer.plans import PLANS, Plan, Split, load_faces
from pyro_favae.experiments.transfer.product_of_experts import train_product
from pyro_favae.experiments.transfer.training import DEEP, Trained, train_alone, train_beside, train_small

PASSED_ON, BY_TURNS, PRODUCT = "FA-VAE", "FA-VAE, alternating", "product of experts"
#: Table 3; the paper's third model is Multi-VAE, with a discrete shared code
PUBLISHED = {PASSED_ON: "0.969 ± 0.027", "β-VAE": "0.941 ± 0.032", PRODUCT: "0.855 ± 0.154 (Multi-VAE)"}


def run_transfer(root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str:
    """Train a small VAE of faces, then a deeper one with and without what the small one has learnt, and compare.

    Reads CelebA under ``root``; writes `table.md`, `numbers.json`, the fit and figures into ``out``. CelebA's terms
    forbid publishing the figures that show faces.
    """
    plan = PLANS[size]
    return compare(load_faces(root, plan, seed, progress), plan, out, seed=seed, progress=progress)


def compare(split: Split, plan: Plan, out: Path, *, seed: int, progress: bool) -> str:
    """The experiment on images of any kind."""
    small = train_small(split, plan, seed=seed, progress=progress)
    models = {
        f"β-VAE, β = {beta:g}": train_alone(split, plan, beta, seed=seed, progress=progress)
        for beta in plan.betas
    }
    best = max(models, key=lambda name: models[name].curve["likelihood"].max())
    beside = train_beside(small, split, plan, seed=seed, progress=progress)
    models[PASSED_ON] = beside
    models[BY_TURNS] = train_beside(small, split, plan, seed=seed, progress=progress, schedule="alternating")
    cast(fv.Fit, beside.fit).save(out / "fit.favae")
    drawn = {name: model.vae.reconstruct(split.test) for name, model in models.items()}
    drawn[PRODUCT] = train_product(small, split, plan, seed=seed).reconstruct(split.test)
    drawn["small VAE"] = small.reconstruct(split.test)
    curves = {name: model.curve for name, model in models.items()}
    speed, quality = sooner(curves, best), r2_table(drawn, split.test)
    sections = [
        "# What a small VAE has learnt, passed on to a deeper one",
        f"{len(split.images):,} images, {len(split.test):,} held out, {plan.epochs} epochs, seed {seed}. The small "
        f"VAE took {plan.small_epochs} epochs and {small.history['seconds'].iloc[-1]:.0f} seconds.",
        f"## Until the best held-out reconstruction of the {best}\n\n" + speed_table(speed),
        "## R² of held-out images\n\n" + quality_table(quality, best),
    ]
    numbers = {
        "speed": speed.to_dict("index"),
        "quality": quality.to_dict("index"),
        "curves": {name: curve.reset_index().to_dict("list") for name, curve in curves.items()},
    }
    return tables.write(out, sections, _figures(models, best, drawn, split), numbers)


def _figures(models: dict[str, Trained], best: str, drawn: dict[str, np.ndarray], split: Split) -> dict:
    passed_on, alone = models[PASSED_ON], models[best]
    relevant = most_relevant(cast(fv.Fit, passed_on.fit), DEEP, figures.RELEVANT)
    informative = most_informative(alone.vae, split.test, figures.RELEVANT)
    image = split.test[0]
    return {
        "terms": figures.terms({name: model.curve for name, model in models.items()}),
        "reconstructed": figures.reconstructed(split.test, {name: drawn[name] for name in (best, PASSED_ON)}),
        "traversed-alone": figures.traversed(alone.vae, image, informative, best),
        "traversed": figures.traversed(passed_on.vae, image, relevant, PASSED_ON),
    }


def speed_table(speed) -> str:
    """Epochs and seconds, the baseline's over each's as ratios."""
    rows = [
        [name, *("never" if np.isnan(row.epochs) else f"{value:.3g}" for value in row)]
        for name, row in speed.iterrows()
    ]
    return tables.markdown(["model", "epochs", "seconds", "ratio of epochs", "ratio of seconds"], rows)


def quality_table(quality, best: str) -> str:
    """Table 3, beside the paper's."""
    published = {**PUBLISHED, best: PUBLISHED["β-VAE"]}
    rows = [
        [name, f"{row['mean']:.3f} ± {row['sd']:.3f}", published.get(name, "")]
        for name, row in quality.iterrows()
    ]
    return tables.markdown(["model", "R², mean ± sd over images", "paper"], rows)
