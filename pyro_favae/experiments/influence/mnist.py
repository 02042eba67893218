"""Influential factors of handwritten digits: discovery, generation and classification."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import pyro_favae as fv
from pyro_favae.experiments.experiment import Size
from pyro_favae.experiments.influence import tables
from pyro_favae.experiments.influence.classification import LabelledLatents, classification_by_share
from pyro_favae.experiments.influence.images import (
    ImageStudy,
    discovery_section,
    generation_section,
    numbers_of,
    setting_of,
)
from pyro_favae.experiments.influence.published import TABLE_2
from pyro_favae.experiments.influence.schedule import Schedule

#: Table A.4. The paper prints neither β nor the decoder's scale; only β · scale² matters, here chosen
#: for about the information and the number of factors that it reports.
VIEW = fv.views.Image(
    (1, 28, 28),
    latent_dim=128,
    network="influence-mnist",
    likelihood=fv.likelihoods.Gaussian(0.3),
    beta=2.0,
)


@dataclass(frozen=True, kw_only=True)
class DigitSchedule(Schedule):
    """How long to learn, classifiers too."""

    batch_size: int = 128
    labelled: int = 20_000  # images that classifiers learn from
    classifier_epochs: int = 10


SCHEDULES = {
    "small": DigitSchedule(epochs=14, learning_rate=2e-3),
    "paper": DigitSchedule(epochs=200, learning_rate=1e-3, labelled=60_000, classifier_epochs=20),
}


def influence_mnist(root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str:
    """Learn from MNIST's 60,000 training images below ``root``, measure on its 10,000 others."""
    schedule = SCHEDULES[size]
    learn, test = (fv.datasets.load_mnist(root, train=train) for train in (True, False))
    images, others = (part.images.astype(np.float32) / 255 for part in (learn, test))
    vae = schedule.learn(VIEW, images, out / "vae.favae", seed=seed, progress=progress)
    study = ImageStudy.of(vae, others)
    labelled = slice(schedule.labelled)
    classification = classification_by_share(
        LabelledLatents(vae.encode(images[labelled])[0], learn.labels[labelled]),
        LabelledLatents(study.discovery.means, test.labels),
        study.discovery.information,
        epochs=schedule.classifier_epochs,
        seed=seed,
    )
    figures = study.figures({"the paper's": [error for _, error in TABLE_2.values()]})
    figures["classification"] = _draw(classification)
    sections = [
        "# Influential factors of MNIST",
        setting_of(vae, learn.n, test.n, seed),
        discovery_section(study.discovery),
        generation_section(study.generation, published=True),
        classification_section(classification),
    ]
    numbers = {**numbers_of(study), "classification": classification.reset_index().to_dict("list")}
    return tables.write(out, sections, figures, numbers)


def classification_section(table: pd.DataFrame) -> str:
    """Table 3, of the digits' classes."""
    rows = [
        [
            f"{share:g}",
            f"{row.factors:g}",
            f"{row.nats:.1f}",
            f"{row.zeroed:.3f}",
            f"{row.relearnt:.3f}",
            f"{row.fano:.3f}" if row.fano < 1 else "says nothing",
        ]
        for share, row in table.iterrows()
    ]
    header = ("top %", "factors", "nats", "others set to zero", "learnt anew", "Fano allows at most")
    return "## Classification\n\nAccuracy of ten classes.\n\n" + tables.markdown(header, rows)


def _draw(table: pd.DataFrame):
    fano = table["fano"].where(table["fano"] < 1)
    curves = {"learnt anew": table["relearnt"], "others set to zero": table["zeroed"], "Fano's bound": fano}
    return fv.plots.shares(table.index, curves, nats=table["nats"], ylabel="accuracy").figure
