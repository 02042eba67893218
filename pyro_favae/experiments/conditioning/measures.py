"""Attributes of real, generated and edited images, as a judge of real ones sees them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from pyro_favae.experiments.conditioning.attribute_judge import AttributeJudge
from pyro_favae.experiments.conditioning.cells import cells_of, frequent
from pyro_favae.experiments.conditioning.plans import Split
from pyro_favae.experiments.conditioning.training import ATTRIBUTE, FACE, Conditioned
from pyro_favae.experiments.quality import r2, spread


@dataclass(frozen=True, eq=False)
class Quality:
    """Measured on held-out rows.

    attributes: one row an attribute, one column a measure, shares between 0 and 1: balanced accuracy of the judge on
    ``real`` and ``reconstructed`` images and on those ``generated`` from the held-out rows' attributes, at the plan's
    strength and ``as labelled``, at 0 and 1; share of the
    images whose attribute, switched, is ``edited`` as wished, and of those in which the judge's verdict on all
    others is ``kept``; balanced accuracy of the attribute ``predicted`` from the image, and by ``logistic``
    regression on the VAE's means. spread: pixel variance within a combination of generated images over that of
    real ones. reconstruction: R² of the VAE before, and of the fit after.
    """

    attributes: pd.DataFrame
    spread: float
    reconstruction: tuple[float, float]


def measure(conditioned: Conditioned, judge: AttributeJudge, split: Split, seed: int = 0) -> Quality:
    """Judge held-out rows; only combinations of attributes with enough of them are generated and edited to."""
    fit, vae, truth = conditioned.fit, conditioned.vae, split.test_attributes.to_numpy()
    known = np.isin(cells_of(truth), frequent(truth))
    images, truth = split.test_images[known], truth[known]
    before, after = vae.reconstruct(images), fit.reconstruct(FACE, images)
    plainly = replace(conditioned, strength=(1.0,) * truth.shape[1])
    generated, labelled = (drawn.generate(truth, seed) for drawn in (conditioned, plainly))
    table = {
        "real": balanced(judge.verdict(images), truth),
        "reconstructed": balanced(judge.verdict(after), truth),
        "generated": balanced(judge.verdict(generated), truth),
        "as labelled": balanced(judge.verdict(labelled), truth),
        **edited(conditioned, judge, images, truth, judge.verdict(after)),
        "predicted": balanced(conditioned.predict(images), truth),
        "logistic": logistic(conditioned, split, images, truth),
    }
    names = pd.Index(split.test_attributes.columns, name="attribute")
    baseline = split.images.mean(0)
    return Quality(
        pd.DataFrame(table, index=names),
        spread(generated, cells_of(truth), images, cells_of(truth)),
        (r2(before, images, baseline), r2(after, images, baseline)),
    )


def balanced(seen: np.ndarray, truth: np.ndarray) -> list[float]:
    """Balanced accuracy of each column."""
    return [balanced_accuracy_score(*columns) for columns in zip(truth.T, seen.T, strict=True)]


def logistic(conditioned: Conditioned, split: Split, images: np.ndarray, truth: np.ndarray) -> list[float]:
    """Balanced accuracy of logistic regression on the VAE's means, one attribute at a time."""
    means, test = conditioned.vae.encode(split.images)[0], conditioned.vae.encode(images)[0]
    regression = LogisticRegression(class_weight="balanced", max_iter=1000)
    columns = split.attributes.to_numpy().T
    return balanced(
        np.column_stack([regression.fit(means, labels).predict(test) for labels in columns]), truth
    )


def edited(
    conditioned: Conditioned, judge: AttributeJudge, images: np.ndarray, truth: np.ndarray, before: np.ndarray
) -> dict[str, list[float]]:
    """Success of switching each attribute, and the share of images whose other attributes look as before.

    Only rows are switched whose new combination is among those of the rows. before: the judge's verdict on the plain
    reconstructions.
    """
    names, cells = conditioned.fit.declaration.views[ATTRIBUTE].feature_names, np.unique(cells_of(truth))
    shares: dict[str, list[float]] = {"edited": [], "kept": []}
    for k, name in enumerate(names):
        wished = truth.copy()
        wished[:, k] = 1 - wished[:, k]
        rows = np.flatnonzero(np.isin(cells_of(wished), cells))
        seen = np.empty((len(rows), len(names)), bool)
        for value in (False, True):
            these = wished[rows, k] == value
            seen[these] = judge.verdict(conditioned.edit(images[rows[these]], name, value))
        others = np.arange(len(names)) != k
        shares["edited"].append(float((seen[:, k] == wished[rows, k]).mean()))
        shares["kept"].append(float((seen == before[rows])[:, others].all(1).mean()))
    return shares
