"""Numbers that go bad stop a run before the posterior is touched; good ones do not depend on the day or the type."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from pyro_favae.data import prepare
from pyro_favae.errors import NumericalError
from pyro_favae.fitting import fit, pyro_pair
from pyro_favae.inference.alone import PlainTraining
from pyro_favae.inference.fit import Run
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.rows import ViewRows
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Image, Real

ROWS = 40
VIEWS = {
    "real": Real(4),
    "binary": Bernoulli(3),
    "categorical": Categorical(3),
    "frozen": Frozen(2, variances=True),
    "image": Image((1, 4, 4), latent_dim=2, network="dense"),
}
SETTINGS = {"seed": 0, "progress": False, "batch_size": 10, "tolerance": 1e-12}
SCHEDULES = ["joint", "closed-form", "stochastic"]


def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(ROWS, 2))
    embedded = np.hstack([shared + 0.1, rng.uniform(0.1, 0.2, size=(ROWS, 2))])
    return {
        "real": shared @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(ROWS, 4)),
        "binary": (shared @ rng.normal(size=(2, 3)) > 0).astype(float),
        "categorical": rng.integers(0, 3, ROWS),
        "frozen": embedded,
        "image": rng.random(size=(ROWS, 1, 4, 4)).astype(np.float32),
    }


def run_of(names: list[str], epochs: int = 4, schedule: str = "joint", values=None) -> Run:
    model = FAVAE({name: VIEWS[name] for name in names}, n_factors=2)
    values = values or data()
    dataset = prepare(model, {name: values[name] for name in names})
    torch.manual_seed(0)
    _, guide = pyro_pair(model, len(dataset))
    settings = Settings(epochs=epochs, schedule=schedule, **SETTINGS)
    scope = Scope.afresh(model.views, [name for name in names if name == "image"])
    return Run(guide, dataset, settings, scope)


def rows_class(view) -> type[ViewRows]:
    """The class of a view's rows in learning, without its subclasses."""
    from pyro_favae.inference.views.gaussian import GaussianRows
    from pyro_favae.inference.views.logistic import LogisticRows

    return LogisticRows if isinstance(view, Bernoulli | Categorical) else GaussianRows


@pytest.mark.parametrize(
    ("schedule", "part"), [("joint", "zz"), ("closed-form", "log_likelihood"), ("stochastic", "zg")]
)
@pytest.mark.parametrize("name", VIEWS)
def test_sums_that_are_not_finite_name_the_view_and_stop_before_the_posterior(
    name, schedule, part, monkeypatch
):
    """With the sums of one view poisoned once learning proper has begun."""
    other = "real" if name != "real" else "binary"
    run, kind = run_of([other, name], schedule=schedule), rows_class(VIEWS[name])
    original, seen = kind.statistics, []

    def poisoned(self, rows):
        sums = original(self, rows)
        if len(run.history.records) < 2 or rows.views[1] is not self:
            return sums
        seen.append({key: value.clone() for key, value in run.posterior.state_dict().items()})
        return replace(sums, **{part: getattr(sums, part) + torch.inf})

    monkeypatch.setattr(kind, "statistics", poisoned)
    monkeypatch.setattr("pyro_favae.inference.fit.sort_factors", lambda _: None)
    with pytest.raises(NumericalError, match=rf"view '{name}'.*{part}.*(sweep|minibatch \d+)"):
        run()
    for key, value in run.posterior.state_dict().items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, seen[0][key])


@pytest.mark.filterwarnings("ignore:Encountered NaN")  # Pyro's own
@pytest.mark.parametrize("place", ["encoder", "decoder"])
def test_networks_that_are_not_finite_name_the_view_and_step(place, monkeypatch):
    run = run_of(["real", "image"])
    networks = {"encoder": run.guide.inference("image").encoder, "decoder": run.guide.model.emission("image")}

    def poison(record: dict) -> None:
        if record["stage"] == "train":
            for parameter in networks[place].parameters():
                parameter.data.fill_(torch.nan)

    run.history.callbacks = (poison,)
    with pytest.raises(NumericalError, match=r"view 'image'.*step 8"):  # two passes of four minibatches
        run()
    assert all(torch.isfinite(value).all() for value in run.posterior.state_dict().values())


@pytest.mark.filterwarnings("ignore:Encountered NaN")  # Pyro's own
def test_networks_that_are_not_finite_name_the_view_and_step_in_pretraining_too():
    model = FAVAE({"image": VIEWS["image"]}, n_factors=1)
    dataset = prepare(model, {"image": data()["image"]})
    _, guide = pyro_pair(model, len(dataset))

    def poison(record: dict) -> None:
        for parameter in guide.encoder("image").encoder.parameters():
            parameter.data.fill_(torch.nan)

    settings = Settings(epochs=2, callbacks=[poison], **SETTINGS)
    with pytest.raises(NumericalError, match=r"view 'image'.*step 4"):  # a pass of four minibatches
        PlainTraining(guide, "image", dataset, settings)()


def test_a_precision_that_is_ill_conditioned_is_reported_with_its_condition_number():
    matrix = torch.diag(torch.tensor([1e12, 1.0, -1e-6], dtype=torch.float64))
    with pytest.raises(NumericalError, match=r"eigenvalues from -1e-06 to 1e\+12, condition number 1e\+18"):
        cholesky(matrix[None], "weights")


@pytest.mark.parametrize("names", [["real"], ["real", "frozen"], ["real", "binary"]], ids="+".join)
def test_single_precision_data_give_the_same_fit(names):
    """Of the same numbers: they are widened before anything is summed."""
    values = {name: value.astype(np.float32) for name, value in data().items()}
    wide = {name: value.astype(np.float64) for name, value in values.items()}
    narrow, other = (run_of(names, values=given)().history for given in (values, wide))
    np.testing.assert_allclose(narrow["elbo"], other["elbo"], rtol=1e-12)


def test_networks_in_single_precision_give_the_sums_that_they_give_in_double():
    run = run_of(["real", "image"])
    run()
    passes = []
    for guide in (run.guide, deepcopy(run.guide)):
        if passes:
            guide._model = (deepcopy(run.guide.model).double(),)
            guide.double()
        dataset = run.passes.dataset
        passes.append(Passes(guide, dataset, 10, DeferredInterrupt()).statistics())
    single, double = passes
    for one, two in zip([*single.views, single.factors], [*double.views, double.factors], strict=True):
        for name, value in vars(one).items():
            if value is not None and name != "log_likelihood":  # that of draws, which differ by type
                torch.testing.assert_close(value, getattr(two, name), rtol=1e-4, atol=1e-5 * ROWS)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_seed_gives_the_same_bits_twice(schedule):
    names = ["real", "binary", "image"]
    states, model = [], FAVAE({name: VIEWS[name] for name in names}, n_factors=2)
    given = {name: data()[name] for name in names}
    for _ in range(2):
        result = fit(model, given, epochs=2, schedule=schedule, device="cpu", **SETTINGS)
        states.append([*result.guide.state_dict().values(), *result.model.state_dict().values()])
        torch.rand(3)  # elsewhere in the user's own stream
    assert all(torch.equal(one, two) for one, two in zip(*states, strict=True))
