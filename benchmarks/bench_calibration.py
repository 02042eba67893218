"""Whether probabilities of attributes come true as often as they say: held-out rows of MNIST and of CelebA.

python benchmarks/bench_calibration.py [--root DIR] [--data mnist celeba] [--seeds 1] [--epochs N]

One model of images and binary attributes; the attributes of rows held out are predicted from their images.
MNIST: the 10,000 images of the t10k part, five attributes, 2,000 rows held out. CelebA: the first 8,000 faces, cut
to their middle and shrunk to 32×32, three attributes, 1,600 rows held out. DIR holds MNIST/raw, and celeba with
list_attr_celeba.txt and the images in img_align_celeba.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import roc_auc_score

import pyro_favae as fv

HELD_OUT = 0.2
FACES, SIZE = 8_000, 32
ATTRIBUTES = ["Smiling", "Wearing_Lipstick", "Male"]
VIEWS = {
    "mnist": fv.views.Image((1, 28, 28), 16, beta=5.0, noise=fv.priors.Gamma(per_feature=True)),
    "celeba": fv.views.Image((3, SIZE, SIZE), 32, "small", beta=1.0, noise=fv.priors.Gamma(per_feature=True)),
}
EPOCHS = {"mnist": 20, "celeba": 25}


def mnist(root: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Images (n, 1, 28, 28), bytes, and their attributes."""
    loaded = fv.datasets.load_mnist(root)
    return loaded.images, fv.datasets.digit_attributes(loaded.labels)


def celeba(root: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Faces (n, 3, 32, 32), bytes, and their attributes."""
    table = pd.read_csv(root / "celeba" / "list_attr_celeba.txt", sep=r"\s+", skiprows=1, nrows=FACES)
    images = np.stack([_face(root / "celeba" / "img_align_celeba" / name) for name in table.index])
    return images, (table[ATTRIBUTES] == 1).astype(float).reset_index(drop=True)


def _face(path: Path) -> np.ndarray:
    """The middle of a picture as wide as it is, shrunk: (3, 32, 32)."""
    with Image.open(path) as picture:
        width, height = picture.size
        top = (height - width) // 2
        small = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, (0, top, width, top + width))
        return np.asarray(small).transpose(2, 0, 1)


LOADERS = {"mnist": mnist, "celeba": celeba}


def measured(name: str, images: np.ndarray, attributes: pd.DataFrame, epochs: int, seed: int) -> dict:
    """Calibration error of all attributes together and of each, accuracy, area under the ROC curve, log score."""
    order = np.random.default_rng(seed).permutation(len(images))
    test, learn = np.split(order, [round(HELD_OUT * len(order))])
    views = {"image": VIEWS[name], "attributes": fv.views.Bernoulli(tuple(attributes.columns))}
    model = fv.FAVAE(views, n_factors=20, factors=fv.priors.Mixture(50))
    begin = time.perf_counter()
    data = {"image": images[learn], "attributes": attributes.to_numpy(float)[learn]}
    fit = fv.fit(model, data, epochs=epochs, batch_size=128, seed=seed, progress=False)
    minutes = (time.perf_counter() - begin) / 60
    predicted = fit.predict("attributes", {"image": images[test]}).mean
    truth = attributes.to_numpy(float)[test]
    error = fv.diagnostics.expected_calibration_error
    return {
        "data": name,
        "seed": seed,
        "calibration error": error(predicted, truth),
        **{f"of {column}": error(predicted[:, i], truth[:, i]) for i, column in enumerate(attributes)},
        "accuracy": np.mean((predicted > 0.5) == truth),
        "AUC": roc_auc_score(truth, predicted, average="macro"),
        "log score": np.log(np.where(truth == 1, predicted, 1 - predicted)).mean(),
        "minutes": minutes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--data", nargs="+", default=list(LOADERS), choices=list(LOADERS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--epochs", type=int, help="passes over the data, instead of 20 for mnist and 25 for celeba"
    )
    options = parser.parse_args()
    for name in options.data:
        images, attributes = LOADERS[name](options.root)
        for seed in range(options.seeds):
            row = measured(name, images, attributes, options.epochs or EPOCHS[name], seed)
            print(pd.Series(row).to_string(float_format="{:.4f}".format), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
