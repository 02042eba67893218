"""Whether probabilities of attributes come true as often as they say: held-out rows of MNIST and of CelebA.

python benchmarks/bench_calibration.py [--root DIR] [--data mnist celeba pretrained] [--seeds 1] [--epochs N]
    [--networks FILE] [--factors 64] [--tolerance 1e-5]

One model of images and binary attributes; the attributes of rows held out are predicted from their images.
MNIST: the 10,000 images of the t10k part, five attributes, 2,000 rows held out. CelebA: the first 8,000 faces, cut
to their middle and shrunk to 32×32, three attributes, 1,600 rows held out. DIR holds MNIST/raw, and celeba with
list_attr_celeba.txt and the images in img_align_celeba. pretrained: a VAE of the middles of the same faces and their
mirror images, trained first and left as it is (kept in FILE); the noise of its latents learnt, or fixed
at the median variance of its encoder; against logistic regression on its means.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.linear_model import LogisticRegression
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
PRETRAINED = fv.views.Image(
    (3, SIZE, SIZE), 64, network="small-normalised", likelihood=fv.likelihoods.Gaussian(0.1)
)


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
    return {"data": name, "seed": seed, **scores(predicted, truth, list(attributes)), "minutes": minutes}


def scores(predicted: np.ndarray, truth: np.ndarray, names: list[str]) -> dict:
    """Of probabilities (rows, attributes); a slope below 1 is that of probabilities that are too sure."""
    error = fv.diagnostics.expected_calibration_error
    logits = np.log(predicted) - np.log1p(-predicted)
    slopes = [
        LogisticRegression(C=1e6).fit(logits[:, [i]], truth[:, i]).coef_[0, 0] for i in range(len(names))
    ]
    return {
        "calibration error": error(predicted, truth),
        **{f"of {name}": error(predicted[:, i], truth[:, i]) for i, name in enumerate(names)},
        **{f"slope of {name}": slope for name, slope in zip(names, slopes, strict=True)},
        "accuracy": np.mean((predicted > 0.5) == truth),
        "AUC": roc_auc_score(truth, predicted, average="macro"),
        "log score": np.log(np.where(truth == 1, predicted, 1 - predicted)).mean(),
    }


def pretrained(root: Path, seed: int, networks: Path | None, factors: int, tolerance: float) -> pd.DataFrame:
    """The same scores beside a VAE that was trained first, a column a method."""
    faces = fv.datasets.load_celeba(root, size=SIZE, crop=0.6, progress=False)
    truth = faces.attributes[ATTRIBUTES].to_numpy(float)[:FACES]
    images = faces.images[:FACES]
    order = np.random.default_rng(seed).permutation(len(images))
    test, learn = np.split(order, [round(HELD_OUT * len(order))])
    vae = _vae(images[learn], seed, networks)
    means, variances = vae.encode(images)
    columns = {"logistic regression": {**_one_by_one(means, truth, learn, test), "minutes": np.nan}}
    fixed = fv.priors.FixedNoise(float(1 / np.median(variances)))
    for method, noise in {"noise learnt": fv.priors.Gamma(), f"noise {fixed!r}": fixed}.items():
        views = {"image": replace(vae.view, noise=noise), "attributes": fv.views.Bernoulli(tuple(ATTRIBUTES))}
        data = {"image": images[learn], "attributes": truth[learn]}
        begin = time.perf_counter()
        learning = {"seed": seed, "epochs": 500, "tolerance": tolerance, "progress": False}
        fit = fv.fit(fv.FAVAE(views, factors), data, pretrained={"image": vae}, **learning)
        minutes = (time.perf_counter() - begin) / 60
        predicted = fit.predict("attributes", {"image": images[test]}).mean
        columns[method] = {**scores(predicted, truth[test], ATTRIBUTES), "minutes": minutes}
        columns[method]["sweeps"] = len(fit.history)
    return pd.DataFrame(columns)


def _vae(images: np.ndarray, seed: int, networks: Path | None) -> fv.Pretrained:
    """Trained on images and their mirror images, or read from a file."""
    if networks is not None and networks.is_file():
        return fv.load_pretrained(networks)
    both = np.concatenate([images, images[..., ::-1]])
    vae = fv.pretrain(
        PRETRAINED, both, epochs=14, batch_size=64, learning_rate=3e-3, seed=seed, progress=False
    )
    if networks is not None:
        vae.save(networks)
    return vae


def _one_by_one(means: np.ndarray, truth: np.ndarray, learn: np.ndarray, test: np.ndarray) -> dict:
    """Scores of one logistic regression an attribute on an encoder's means."""
    fits = [LogisticRegression(max_iter=2000).fit(means[learn], column) for column in truth[learn].T]
    predicted = np.stack([fit.predict_proba(means[test])[:, 1] for fit in fits], 1)
    return scores(predicted, truth[test], ATTRIBUTES)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    kinds = [*LOADERS, "pretrained"]
    parser.add_argument("--data", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--epochs", type=int, help="passes over the data, instead of 20 for mnist and 25 for celeba"
    )
    parser.add_argument("--networks", type=Path, help="where the VAE of --data pretrained is kept")
    parser.add_argument("--factors", type=int, default=64, help="of --data pretrained")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="of --data pretrained")
    options = parser.parse_args()
    for name in options.data:
        if name == "pretrained":
            of = options.networks, options.factors, options.tolerance
            for seed in range(options.seeds):
                print(pretrained(options.root, seed, *of).round(4).to_string(), flush=True)
            continue
        images, attributes = LOADERS[name](options.root)
        for seed in range(options.seeds):
            row = measured(name, images, attributes, options.epochs or EPOCHS[name], seed)
            print(pd.Series(row).to_string(float_format="{:.4f}".format), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
