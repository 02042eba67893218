"""The demonstration: handwritten digits and their attributes, 15 % of the rows missing one of the two."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import pyro_favae as fv
from pyro_favae.errors import DataError
from pyro_favae.experiments.digits import DigitQuality, digit_quality
from pyro_favae.experiments.judge import train_judge
from pyro_favae.plots.canvas import figure_of

HELD_OUT, MISSING = 0.2, 0.15  # shares of the rows
STRONGEST = 6  # factors to traverse


@dataclass(frozen=True)
class Source:
    """What differs between the data sets that the demonstration runs on."""

    image: fv.views.Image
    n_factors: int
    components: int
    epochs: int
    batch_size: int
    learning_rate: float
    judge_epochs: int


SOURCES = {
    "digits": Source(
        fv.views.Image(
            (1, 8, 8), 12, likelihood=fv.likelihoods.Gaussian(0.1), noise=fv.priors.Gamma(per_feature=True)
        ),
        n_factors=16,
        components=40,
        epochs=100,
        batch_size=64,
        learning_rate=2e-3,
        judge_epochs=20,
    ),
    "mnist": Source(
        fv.views.Image((1, 28, 28), 16, beta=5.0, noise=fv.priors.Gamma(per_feature=True)),
        n_factors=21,
        components=50,
        epochs=20,
        batch_size=128,
        learning_rate=1e-3,
        judge_epochs=4,
    ),
}


@dataclass(frozen=True)
class Split:
    """Rows to learn from, some of which lack a view, and rows held out."""

    images: np.ndarray  # (N, C, H, W), NaN where a row lacks the view
    attributes: pd.DataFrame  # (N, A), NaN likewise
    real: np.ndarray  # the same images, complete, for the judge and the baseline
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def run_demo(
    data: str = "digits",
    root: Path | None = None,
    out: Path = Path("favae-demo"),
    *,
    epochs: int | None = None,
    seed: int = 0,
) -> str:
    """Fit, measure on held-out rows, draw figures into ``out``, save the fit and check it; returns a table.

    data: ``"digits"`` (bundled with scikit-learn) or ``"mnist"`` (10,000 images below ``root``). Raises
    :class:`DataError` if MNIST is asked for and not there.
    """
    source = SOURCES[data]
    split = _split(*_load(data, root), seed)
    model = fv.FAVAE(
        {"digit": source.image, "attributes": fv.views.Bernoulli(tuple(split.attributes.columns))},
        n_factors=source.n_factors,
        factors=fv.priors.Mixture(source.components),
    )
    fit = fv.fit(
        model,
        {"digit": split.images, "attributes": split.attributes},
        epochs=epochs or source.epochs,
        batch_size=source.batch_size,
        learning_rate=source.learning_rate,
        seed=seed,
    )
    judge = train_judge(split.real, split.labels, epochs=source.judge_epochs, seed=seed)
    codes = fv.datasets.digit_attributes(np.arange(10))
    quality = digit_quality(
        fit, judge, split.test_images, split.test_labels, codes.to_numpy(float), split.real.mean(0), seed
    )
    accuracy = float((judge.predict(split.test_images) == split.test_labels).mean())
    out.mkdir(parents=True, exist_ok=True)
    _draw(fit, split, codes, out)
    same = _save_and_check(fit, split, out / "fit.favae")
    table = _table(fit, quality, accuracy, same, out)
    (out / "summary.txt").write_text(table + "\n", encoding="utf-8")
    return table


def _load(data: str, root: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Images as floats in [0, 1], and labels."""
    if data == "digits":
        loaded = fv.datasets.load_digits()
        return loaded.images, loaded.labels
    if root is None:
        raise DataError("--data mnist needs --root, the folder that holds MNIST/raw")
    loaded = fv.datasets.load_mnist(root)
    return loaded.images.astype(np.float32) / 255, loaded.labels


def _split(images: np.ndarray, labels: np.ndarray, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    test, learn = np.split(order, [round(HELD_OUT * len(order))])
    incomplete = rng.permutation(len(learn))[: round(MISSING * len(learn))]
    without_image, without_attributes = np.array_split(incomplete, 2)
    seen = images[learn].copy()
    attributes = fv.datasets.digit_attributes(labels[learn]).astype(float)
    seen[without_image] = np.nan
    attributes.iloc[without_attributes] = np.nan
    return Split(seen, attributes, images[learn], labels[learn], images[test], labels[test])


def _save_and_check(fit: fv.Fit, split: Split, path: Path) -> bool:
    """Save the fit, load it back, and compare predictions to the last bit."""
    fit.save(path)
    given = {"digit": split.test_images[:50]}
    before, after = (f.predict("attributes", given) for f in (fit, fv.load(path)))
    return bool(np.array_equal(before.mean, after.mean) and np.array_equal(before.sd, after.sd))


def _table(fit: fv.Fit, quality: DigitQuality, judge_accuracy: float, same: bool, out: Path) -> str:
    kinds = fv.diagnostics.sharing(fit)["kind"].value_counts()
    rows = {
        "bound": f"{fit.elbo:,.0f} nats",
        "factors": ", ".join(f"{kinds.get(kind, 0)} {kind}" for kind in ("shared", "private", "off")),
        "attributes from image": f"{quality.attributes:.3f} accuracy",
        "  calibration error": f"{quality.calibration:.3f}",
        "  digit by nearest code": f"{quality.label:.3f} accuracy",
        "reconstruction": f"{quality.reconstruction:.3f} R²",
        "images from attributes": f"{quality.recognised:.3f} recognised",
        "  variety": f"{quality.spread:.3f} of real digits'",
        "image and attributes": f"{quality.joint:.3f} agree when drawn together",
        "the judge": f"{judge_accuracy:.3f} accuracy on real digits",
        "saved and loaded": "identical predictions" if same else "DIFFERENT predictions",
        "written to": f"{out}/",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def _draw(fit: fv.Fit, split: Split, codes: pd.DataFrame, out: Path) -> None:
    data = {"digit": split.images, "attributes": split.attributes}
    examples = split.test_images[[int(np.argmax(split.test_labels == digit)) for digit in range(10)]]
    switches = [{name: value} for name in codes.columns for value in (1, 0)]
    predicted = fit.predict("attributes", {"digit": split.test_images}).mean
    outcomes = codes.to_numpy()[split.test_labels]
    shares = fv.diagnostics.variance_explained(fit, data)
    strongest = [int(factor) for factor in shares.loc["digit"].argsort()[::-1][:STRONGEST]]
    pictures = {
        "bound": lambda: fv.plots.bound(fit),
        "weights": lambda: fv.plots.weights(fit),
        "variance-explained": lambda: fv.plots.variance_explained(fit, data),
        "sharing": lambda: fv.plots.sharing(fit),
        "edited": lambda: fv.plots.edits(fit, "digit", examples, switches),
        "generated": lambda: fv.plots.generated(fit, "digit", {"attributes": codes}, n=12, seed=1),
        "traversal": lambda: fv.plots.traversal(fit, "digit", examples[:1], factors=strongest),
        "calibration": lambda: fv.plots.calibration(predicted, outcomes),
    }
    for name, draw in pictures.items():
        figure = figure_of(draw())
        figure.savefig(out / f"{name}.png", dpi=120)
        plt.close(figure)
