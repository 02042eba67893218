"""Multi-label prediction against one logistic regression a label, on the official train and test parts.

python benchmarks/bench_multilabel.py [--root DIR] [--data emotions yeast scene] [--deleted 0 0.5] [--seeds 3]

Ours is one model of features and labels: a real view and a binary one, the test rows predicted from their features.
With --deleted a share of the training labels is hidden at random, label by label. DIR holds {name}.npz with train_X,
train_Y, test_X and test_Y.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pyro_favae as fv

FACTORS = 50
PRIOR = fv.priors.ARD(1.0, 1.0)  # a proper one: a nearly flat ARD prunes what small views need
NOISE = fv.priors.Gamma(per_feature=True)


def one_a_label(features: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities (rows, labels) by scikit-learn's logistic regression on the rows that have each label."""
    columns = []
    for label in labels.T:
        known = ~np.isnan(label)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        columns.append(model.fit(features[known], label[known]).predict_proba(test)[:, 1])
    return np.stack(columns, 1)


def ours(features: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Probabilities (rows, labels) by factors shared between features and labels."""
    views = {
        "features": fv.views.Real(features.shape[1], standardise="feature", noise=NOISE),
        "labels": fv.views.Bernoulli(labels.shape[1]),
    }
    model = fv.FAVAE(views, n_factors=FACTORS, weights=PRIOR)
    fit = fv.fit(model, {"features": features, "labels": labels}, seed=seed, progress=False)
    return fit.predict("labels", given={"features": test}).mean


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """AUC over labels and over all entries, calibration error, and log score in nats an entry."""
    likelihood = np.where(labels == 1, probabilities, 1 - probabilities)
    return {
        "macro AUC": roc_auc_score(labels, probabilities, average="macro"),
        "micro AUC": roc_auc_score(labels, probabilities, average="micro"),
        "calibration error": fv.diagnostics.expected_calibration_error(probabilities, labels),
        "log score": np.log(likelihood.clip(1e-12)).mean(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path, default=Path("../shared/data/multilabel"))
    parser.add_argument("--data", nargs="+", default=["emotions", "yeast", "scene"])
    parser.add_argument("--deleted", nargs="+", type=float, default=[0.0, 0.5])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    records = []
    for name in options.data:
        path = options.root / f"{name}.npz"
        if not path.is_file():
            print(f"{name}: no {path}, left out")
            continue
        with np.load(path) as file:
            parts = [file[key].astype(float) for key in ("train_X", "train_Y", "test_X", "test_Y")]
        for deleted in options.deleted:
            # nothing is random in either method where no label is deleted
            for seed in range(options.seeds if deleted else 1):
                records += compare(name, parts, deleted, seed)
    frame = pd.DataFrame(records).drop(columns="seed")
    print(frame.groupby(["data", "deleted", "method"], sort=False).mean().round(4).to_string())


def compare(name: str, parts: list[np.ndarray], deleted: float, seed: int) -> list[dict]:
    """Both methods on the same rows and labels."""
    features, labels, test, truth = parts
    hidden = np.random.default_rng(seed).random(labels.shape) < deleted
    labels = np.where(hidden, np.nan, labels)
    records = []
    for method in (one_a_label, ours):
        begin = time.perf_counter()
        predicted = method(features, labels, test, seed)
        seconds = time.perf_counter() - begin
        record = {"data": name, "deleted": deleted, "method": method.__name__, "seed": seed}
        records.append(record | scores(predicted, truth) | {"seconds": seconds})
    return records


if __name__ == "__main__":
    main()
