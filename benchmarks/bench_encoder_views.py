"""What an encoder in front of a view buys on real data, beside views without one and beside a plain classifier.

python benchmarks/bench_encoder_views.py table [--root DIR] [--epochs 60]
python benchmarks/bench_encoder_views.py sequence [--root DIR] [--epochs 60] [--blocks 15]

table: six descriptions of 2,000 handwritten digits; R² of each of the other five, of 500 rows held out, told from one
that is declared Tabular or Real. sequence: 14 channels of EEG in windows of 64 samples, some entries of which are
outliers and count as missing; AUC of whether the eyes are closed, in windows of blocks of time held out, beside
logistic regression on the flattened windows. DIR holds multiview/mfeat_six_views.npz and
eeg/eeg_eye_state_14ch_128hz.npz.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

import pyro_favae as fv

HELD_OUT = 500
STEPS = 64
OUTLIER = 20.0  # median absolute deviations
PER_FEATURE = fv.priors.Gamma(per_feature=True)


def table(options: argparse.Namespace) -> pd.DataFrame:
    """R² of the other views, mean over their columns, and of the view told from them."""
    with np.load(options.root / "multiview/mfeat_six_views.npz") as file:
        data = {name: file[name].astype(float) for name in file.files if name != "label"}
    order = np.random.default_rng(options.seed).permutation(len(data["pix"]))
    learn, test = order[HELD_OUT:], order[:HELD_OUT]
    own = data[options.view]
    kinds = {
        "Real": fv.views.Real(own.shape[1], standardise="feature", noise=PER_FEATURE),
        "Tabular": fv.views.Tabular(own.shape[1], options.latent_dim),
    }
    results = {}
    for kind, view in kinds.items():
        views = {options.view: view}
        for name in data.keys() - views.keys():
            views[name] = fv.views.Real(data[name].shape[1], standardise="feature", noise=PER_FEATURE)
        fit = learnt(views, {name: values[learn] for name, values in data.items()}, options)
        scores = {}
        for name in sorted(views.keys() - {options.view}):
            predicted = fit.predict(name, {options.view: own[test]}, seed=0).mean
            scores[name] = r_squared(predicted, data[name][test])
        given = {name: data[name][test] for name in scores}
        scores["itself from the others"] = r_squared(fit.predict(options.view, given, seed=0).mean, own[test])
        scores["itself reconstructed"] = r_squared(fit.reconstruct(options.view, own[test]), own[test])
        results[kind] = scores
    return pd.DataFrame(results)


def r_squared(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Of columns scaled alike, those that do not vary left out."""
    varies = truth.std(0) > 0
    error = np.square(predicted - truth).mean(0)[varies] / truth.var(0)[varies]
    return float(1 - error.mean())


def learnt(views: dict, data: dict, options: argparse.Namespace) -> fv.Fit:
    model = fv.FAVAE(views, options.factors)
    return fv.fit(
        model,
        data,
        epochs=options.epochs,
        batch_size=128,
        learning_rate=2e-3,
        seed=options.seed,
        progress=False,
        device="cpu",
    )


def sequence(options: argparse.Namespace) -> pd.Series:
    """AUC of closed eyes; every third of the blocks of time is held out, and windows do not cross their ends."""
    with np.load(options.root / "eeg/eeg_eye_state_14ch_128hz.npz") as file:
        signal, closed = file["data"].astype(float), file["eye_closed"]
    centre = np.median(signal, 0)
    far = np.abs(signal - centre) > OUTLIER * np.median(np.abs(signal - centre), 0)
    print(f"{far.sum()} outliers count as missing")
    signal[far] = np.nan
    windows: dict[bool, list] = {True: [], False: []}
    labels: dict[bool, list] = {True: [], False: []}
    for block, part in enumerate(np.array_split(np.arange(len(signal)), options.blocks)):
        held_out = block % 3 == options.seed % 3
        step = STEPS if held_out else STEPS // 4
        for start in range(0, len(part) - STEPS + 1, step):
            rows = part[start : start + STEPS]
            windows[held_out].append(signal[rows])
            labels[held_out].append(closed[rows].mean() > 0.5)
    learn, test = (np.stack(windows[held_out]) for held_out in (False, True))
    learn_labels, test_labels = (np.array(labels[held_out], float)[:, None] for held_out in (False, True))
    print(
        f"{len(learn)} windows to learn from, {len(test)} held out, {test_labels.mean():.2f} of them closed"
    )
    scores = {}
    for cell in ("gru", "lstm"):
        views = {
            "eeg": fv.views.Sequence(STEPS, learn.shape[2], options.latent_dim, cell, hidden=64),
            "closed": fv.views.Bernoulli(("closed",)),
        }
        fit = learnt(views, {"eeg": learn, "closed": learn_labels}, options)
        predicted = fit.predict("closed", {"eeg": test}).mean
        scores[cell] = roc_auc_score(test_labels, predicted)
    flat = [np.where(np.isnan(part), centre, part).reshape(len(part), -1) for part in (learn, test)]
    scaler = StandardScaler().fit(flat[0])
    strengths = {"C": np.logspace(-5, 0, 6)}
    peer = GridSearchCV(LogisticRegression(max_iter=500), strengths, scoring="roc_auc", cv=5)
    peer.fit(scaler.transform(flat[0]), learn_labels[:, 0])
    scores["logistic regression"] = roc_auc_score(
        test_labels, peer.decision_function(scaler.transform(flat[1]))
    )
    return pd.Series(scores, name="AUC")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["table", "sequence"], default="table")
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--view", default="pix")
    parser.add_argument("--latent-dim", type=int, default=32)
    parser.add_argument("--factors", type=int, default=25)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--blocks", type=int, default=15, help="of time; more are more alike")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.root.is_dir():
        print(f"no {options.root}: nothing to measure")
        return
    print({"table": table, "sequence": sequence}[options.what](options).round(3).to_string())


if __name__ == "__main__":
    main()
