"""Nothing in a step asks the device for a number: the host would wait until a GPU has done all that it was given."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from pyro_favae.data import prepare
from pyro_favae.fitting import pyro_pair
from pyro_favae.inference import covariance, linear_algebra
from pyro_favae.inference.alone import PlainTraining
from pyro_favae.inference.fit import Run
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Grouped, Mixture
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Image, Real, Tabular
from pyro_favae.results.pretrained import NAME, one_view_guide

ROWS, STEPS = 48, 6
#: what makes the host wait where it is asked of a GPU
QUESTIONS = ("aten::item", "aten::_local_scalar_dense", "aten::nonzero", "aten::is_nonzero", "aten::equal")
IMAGE = Image((1, 4, 4), latent_dim=2, network="dense")
MODELS = {
    "image, real": FAVAE({"image": IMAGE, "real": Real(3)}, 2),
    "image, labels": FAVAE({"image": IMAGE, "labels": Bernoulli(3), "class": Categorical(3)}, 2),
    "table, embedding, mixture": FAVAE(
        {"table": Tabular(4, 2, hidden=(8,)), "frozen": Frozen(2, variances=True)}, 2, factors=Mixture(2)
    ),
    "image, real, groups": FAVAE({"image": IMAGE, "real": Real(3)}, 2, factors=Grouped(("a", "b"))),
}


def data(model: FAVAE, missing: bool) -> dict:
    rng = np.random.default_rng(0)
    made = {
        "image": rng.random((ROWS, 1, 4, 4)).astype(np.float32),
        "real": rng.normal(size=(ROWS, 3)),
        "labels": rng.integers(0, 2, (ROWS, 3)).astype(float),
        "class": rng.integers(0, 3, ROWS).astype(float),
        "table": rng.normal(size=(ROWS, 4)),
        "frozen": rng.uniform(0.1, 1.0, size=(ROWS, 4)),
    }
    given = {name: made[name] for name in model.views}
    if missing:
        for position, values in enumerate(given.values()):
            values[position :: len(given) + 1] = np.nan
        if "table" in given:
            given["table"][2::3, 1] = np.nan
    if model.factors.column:
        given[model.factors.column] = np.array(["a", "b"])[rng.integers(0, 2, ROWS)]
    return given


def run_of(model: FAVAE, missing: bool) -> Run:
    dataset = prepare(model, data(model, missing))
    torch.manual_seed(0)
    _, guide = pyro_pair(model, len(dataset))
    settings = Settings(epochs=20, seed=0, progress=False, batch_size=ROWS // STEPS, tolerance=1e-12)
    trained = [name for name in guide.names if guide.inference(name).trained_by_gradient]
    run = Run(guide, dataset, settings, Scope.afresh(model.views, trained))
    run.beginning.read_units()
    run.beginning.place(run.trained)
    return run


def questions(action) -> Counter:
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        action()
    return Counter(
        event.name for event in profiled.events() if event.name in QUESTIONS and not in_optimiser(event)
    )


def in_optimiser(event) -> bool:
    """Adam reads its numbers of steps, which it keeps beside the parameters, where these are in host memory."""
    while event is not None and not event.name.startswith("Optimizer.step"):
        event = event.cpu_parent
    return event is not None


class Steps:
    """Steps as they stand between two global updates."""

    def __init__(self, run: Run) -> None:
        self.run, self.snapshot = run, run.guide.train().snapshot()

    def __call__(self, count: int) -> None:
        for batch in islice(self.run.passes.shuffled(0), count):
            self.run.minibatches.take(batch, self.snapshot)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("name", MODELS)
def test_a_step_asks_nothing(name, missing, monkeypatch):
    for module in (covariance, linear_algebra):  # which then go a GPU's way
        monkeypatch.setattr(module, "asking_waits", lambda values: True)
    steps = Steps(run_of(MODELS[name], missing))
    steps(1)
    assert not questions(lambda: steps(2))


def test_a_pass_asks_as_often_however_many_steps_it_has(monkeypatch):
    """At each of its four global updates, and once for its seed."""
    for module in (covariance, linear_algebra):
        monkeypatch.setattr(module, "asking_waits", lambda values: True)
    asked = {}
    for batches in (8, 16):
        model = MODELS["image, real"]
        dataset = prepare(model, data(model, False))
        torch.manual_seed(0)
        _, guide = pyro_pair(model, len(dataset))
        settings = Settings(epochs=20, seed=0, progress=False, batch_size=ROWS // batches)
        run = Run(guide, dataset, settings, Scope.afresh(model.views, ["image"]))
        run.beginning.read_units()
        run.beginning.place(run.trained)
        asked[batches] = questions(lambda run=run: run.minibatches(run.generator, run.rest, 0, True))
    assert asked[8] == asked[16]


def test_a_step_of_a_view_alone_asks_nothing():
    guide = one_view_guide(IMAGE)
    dataset = prepare(guide.declaration, {NAME: data(MODELS["image, real"], False)["image"]})
    training = PlainTraining(guide, NAME, dataset, Settings(epochs=2, progress=False, batch_size=8))
    guide.train()
    snapshot = guide.snapshot()
    batches = list(training.passes.shuffled(0))[:2]
    assert not questions(lambda: [training.take(batch, snapshot) for batch in batches])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
@pytest.mark.parametrize("name", MODELS)
def test_a_step_on_a_gpu_waits_for_nothing(name):
    model = MODELS[name]
    dataset = prepare(model, data(model, True))
    _, guide = pyro_pair(model, len(dataset))
    guide.model.to("cuda")
    guide.to("cuda")
    settings = Settings(epochs=20, seed=0, progress=False, batch_size=ROWS // STEPS)
    trained = [name for name in guide.names if guide.inference(name).trained_by_gradient]
    run = Run(guide, dataset, settings, Scope.afresh(model.views, trained))
    run.beginning.read_units()
    run.beginning.place(run.trained)
    steps = Steps(run)
    steps(2)
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps(STEPS)
    finally:
        torch.cuda.set_sync_debug_mode("default")
