"""Networks and closed forms by turns: the paper's own algorithm beside the single loop."""

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.inference.alternation import MOST_SWEEPS, NETWORK_PASSES, sweeps_suffice

QUIET = {"seed": 0, "progress": False, "device": "cpu"}
DIGITS = fv.datasets.load_digits()
N, EPOCHS = 150, 25
DATA = {"digit": DIGITS.images[:N], "label": np.eye(10)[DIGITS.labels[:N]]}
MODEL = fv.FAVAE(
    {
        "digit": fv.views.Image((1, 8, 8), 6, network="dense", likelihood=fv.likelihoods.Gaussian(0.15)),
        "label": fv.views.Real(10),
    },
    n_factors=6,
)


def fitted(**options) -> fv.Fit:
    return fv.fit(MODEL, DATA, **({"epochs": EPOCHS, "batch_size": 32, "tolerance": 1e-9} | QUIET | options))


@pytest.fixture(scope="module")
def alternating() -> fv.Fit:
    return fitted(schedule="alternating")


def blocks_of(history) -> list:
    """Runs of records of one stage."""
    return [block for _, block in history.groupby((history["stage"] != history["stage"].shift()).cumsum())]


def test_it_reaches_the_bound_of_the_single_loop(alternating):
    joint = fitted()
    gained = joint.elbo - joint.history["elbo"].iloc[0]
    assert abs(alternating.elbo - joint.elbo) < 0.03 * gained


def test_blocks_of_sweeps_and_of_networks_take_turns(alternating):
    blocks = blocks_of(alternating.history)
    stages = [block["stage"].iloc[0] for block in blocks]
    assert stages == ["warm-up", *4 * ["sweep", "train"], "settle"]
    assert [len(block) for block in blocks[2:-1:2]] == 4 * [NETWORK_PASSES]
    assert all(2 <= len(block) <= MOST_SWEEPS for block in blocks[1:-1:2])


def test_the_bound_never_falls_in_a_block_of_sweeps(alternating):
    for block in blocks_of(alternating.history)[1::2]:
        steps = block["elbo"].diff().dropna()
        assert (steps > -1e-9 * block["elbo"].abs().max()).all()


def test_networks_are_trained_with_the_global_posterior_as_it_is(monkeypatch):
    seen = []

    def look(self, *args) -> None:
        original(self, *args)
        seen.append([value.clone() for value in self.updates.posterior.state_dict().values()])

    from pyro_favae.inference.minibatches import MinibatchPasses

    original = MinibatchPasses.__call__
    monkeypatch.setattr(MinibatchPasses, "__call__", look)
    fitted(schedule="alternating", epochs=13)  # three to warm up, two blocks
    seen = seen[3:]
    assert len(seen) == 2 * NETWORK_PASSES
    same = [all(map(torch.equal, one, other)) for one, other in zip(seen[:-1], seen[1:], strict=True)]
    assert same == [True] * 4 + [False] + [True] * 4


def test_a_callback_ends_it_within_a_block_of_sweeps():
    fit = fitted(schedule="alternating", callbacks=[lambda record: record["stage"] == "sweep"])
    assert fit.ended_by == "callback"
    assert fit.history["stage"].tolist() == [*5 * ["warm-up"], "sweep", *3 * ["settle"]]


def test_training_ends_at_the_tolerance():
    fit = fitted(schedule="alternating", tolerance=0.5, epochs=40)
    assert fit.ended_by == "tolerance"
    assert (fit.history["stage"] == "train").sum() < 32


def test_with_closed_forms_alone_it_is_the_single_loop():
    rng = np.random.default_rng(0)
    data = {"a": rng.normal(size=(40, 4)), "b": rng.normal(size=(40, 3))}
    model = fv.FAVAE({"a": fv.views.Real(4), "b": fv.views.Real(3)}, n_factors=2)
    joint, alternating = (
        fv.fit(model, data, epochs=20, schedule=schedule, **QUIET) for schedule in ("joint", "alternating")
    )
    assert joint.history["elbo"].tolist() == alternating.history["elbo"].tolist()


def record(stage: str, own: float, likelihood: float = -1e6) -> dict:
    return {"stage": stage, "elbo": own + likelihood, "x.likelihood": likelihood}


@pytest.mark.parametrize(
    ("records", "enough"),
    [
        ([], False),
        ([record("train", 9), record("sweep", 10)], False),
        ([record("sweep", 10), record("sweep", 10.5)], False),
        ([record("sweep", 10), record("sweep", 10.01)], True),
        ([record("sweep", 10), record("train", 11), record("sweep", 10.01)], False),
        ([record("sweep", 10), record("sweep", 10), record("train", 9)], False),
        ([record("sweep", 2.0**k) for k in range(MOST_SWEEPS)], True),
    ],
)
def test_sweeps_of_the_present_block_are_judged_by_what_is_theirs(records, enough):
    assert sweeps_suffice(records, ["x"], tolerance=1e-2) == enough
