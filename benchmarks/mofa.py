"""mofapy2 as the peer: factor analysis with the same ARD prior on the weights, learnt in this process.

pip install mofapy2

Its loop is left as it is. What is added: a look at the state after the last update of an iteration.
"""

import io
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

Predict = Callable[[], dict[str, np.ndarray]]


def available() -> bool:
    return find_spec("mofapy2") is not None


def learn(
    data: Mapping[str, np.ndarray],
    binary: Collection[str],
    n_factors: int,
    seed: int,
    *,
    iterations: int,
    mode: str,
    spikeslab: bool,
    each: Callable[[Predict], None],
) -> str:
    """Learn from views (rows, features) with NaN where missing; returns what ended the run.

    each: called after every iteration with a function that predicts every entry of every view. The bound is
    computed as often as mofapy2 does by default (every fifth iteration, for its convergence criterion), and
    inactive factors are not dropped, its default too.
    """
    with redirect_stdout(io.StringIO()):  # it has no way to be quiet
        entry = _entry(data, binary, n_factors, seed, iterations=iterations, mode=mode, spikeslab=spikeslab)
        _after_each_iteration(entry.model, entry.train_opts["schedule"], each, _predictor(entry, data))
        entry.model.iterate()
    return "convergence" if len(entry.model.getTrainingStats()["elbo"]) < iterations else "iterations"


@dataclass(frozen=True)
class Learnt:
    """Posterior of real views; predictions of all entries in the user's units, the noise included."""

    factors: np.ndarray  # (rows, K) posterior means
    weights: dict[str, np.ndarray]  # (D, K) posterior means
    deviations: dict[str, np.ndarray]  # (D, K) posterior standard deviations
    inclusion: dict[str, np.ndarray]  # (D, K) posterior probabilities that a weight is on
    mean: dict[str, np.ndarray]  # (rows, D)
    sd: dict[str, np.ndarray]  # (rows, D)


def learnt(
    data: Mapping[str, np.ndarray], n_factors: int, seed: int, *, iterations: int, mode: str
) -> Learnt:
    """Learn sparse weights, spike and slab over ARD, from real views (rows, features) with NaN where missing."""
    with redirect_stdout(io.StringIO()):
        entry = _entry(data, (), n_factors, seed, iterations=iterations, mode=mode, spikeslab=True)
        entry.model.iterate()
    nodes, mean, sd, weights, deviations, inclusion = entry.model.nodes, {}, {}, {}, {}, {}
    factors = nodes["Z"].getExpectations()
    first, second = factors["E"], factors["E2"]
    predicted = _predictor(entry, data)()
    parts = zip(data, nodes["W"].getNodes(), nodes["Tau"].getNodes(), strict=True)
    for name, node, noise in parts:
        moments = node.getExpectations()
        weights[name], inclusion[name] = moments["E"], moments["EB"]
        deviations[name] = np.sqrt(np.maximum(moments["E2"] - moments["E"] ** 2, 0))
        spread = (
            second @ moments["E2"].T - first**2 @ moments["E"].T ** 2
        )  # of Σ_k g_k w_k, independent under q
        variance = spread + 1 / noise.getExpectation()
        scale = np.nanstd(data[name] - np.nanmean(data[name], axis=0))
        mean[name], sd[name] = predicted[name], scale * np.sqrt(variance)
    return Learnt(first, weights, deviations, inclusion, mean, sd)


def _entry(data, binary, n_factors: int, seed: int, *, iterations: int, mode: str, spikeslab: bool):
    """A model that is ready to iterate."""
    from mofapy2.run.entry_point import entry_point

    entry = entry_point()
    entry.set_data_options(scale_views=True, center_groups=True)
    entry.set_data_matrix(
        [[values] for values in data.values()],
        likelihoods=["bernoulli" if name in binary else "gaussian" for name in data],
        views_names=list(data),
    )
    entry.set_model_options(
        factors=n_factors, spikeslab_weights=spikeslab, ard_weights=True, ard_factors=False
    )
    entry.set_train_options(iter=iterations, convergence_mode=mode, seed=seed, quiet=True)
    entry.build()
    entry.model.setTrainOptions(entry.train_opts)
    return entry


def _after_each_iteration(model, schedule: list[str], each: Callable[[Predict], None], predict: Predict):
    """The last node of the schedule is updated once an iteration, after all the others."""
    last = model.nodes[schedule[-1]]
    update = last.update

    def watched() -> None:
        update()
        each(predict)

    last.update = watched


def _predictor(entry, data: Mapping[str, np.ndarray]) -> Predict:
    """Predictions in the user's units; logits for a binary view.

    A binary view is modelled about the means of its pseudo-data; they are added here, which ranks entries
    better than mofapy2's own imputation without them.
    """
    means = {name: np.nanmean(values, axis=0) for name, values in data.items()}
    scales = {name: np.nanstd(values - means[name]) for name, values in data.items()}

    def predict() -> dict[str, np.ndarray]:
        nodes, predicted = entry.model.nodes, {}
        factors = nodes["Z"].getExpectation()
        views = zip(data, nodes["W"].getExpectation(), nodes["Y"].getNodes(), entry.likelihoods, strict=True)
        for name, weights, values, likelihood in views:
            latents = factors @ weights.T
            binary = likelihood == "bernoulli"
            predicted[name] = latents + values.means if binary else means[name] + scales[name] * latents
        return predicted

    return predict
