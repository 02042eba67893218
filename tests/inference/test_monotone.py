"""On closed-form models no update lowers the bound."""

import numpy as np
import pytest

from pyro_favae.fitting import fit
from pyro_favae.inference.rotation import rotate
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Gamma, Grouped, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Real, View
from tests.inference.problems import CLOSED_FORM, COMBINATIONS, problem

SWEEPS = 9


def assert_no_fall(before: float, after: float, what: str) -> None:
    assert after >= before - 1e-9 * abs(before), f"{what} lowers the bound by {before - after:.3g} nats"


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_each_block_of_each_sweep(name, seed):
    p = problem(name, n=25, seed=seed)
    last = -float("inf")
    for sweep in range(SWEEPS):
        sums = p.infer(iterations=100, tolerance=1e-6).statistics()
        value = p.bound(sums)
        if sweep:
            assert_no_fall(last, value, f"sweep {sweep}: inferring the rows")
        last = value
        for view, part in zip(p.posterior.views, sums.views, strict=True):
            steps = {
                "weights": lambda view=view, part=part: view.update_weights(part),
                "relevance": lambda view=view: view.relevance.update(view.weights.moments),
                "noise": lambda view=view, part=part: view.update_noise(part),
            }
            for block, step in steps.items():
                step()
                value = p.bound(sums)
                assert_no_fall(last, value, f"sweep {sweep}, view {view.name}: {block}")
                last = value
            # rotation wants the relevances at their optimum
            view.relevance.update(view.weights.moments)
        p.posterior.factors.update(sums.factors)
        value = p.bound(sums)
        assert_no_fall(last, value, f"sweep {sweep}: components")
        last = value
        if sweep % 3:  # sweeps without it in between: rotation hides what they would do to each other
            continue
        sums = rotate(p.posterior, sums).statistics
        value = p.bound(sums)
        assert_no_fall(last, value, f"sweep {sweep}: rotation")
        last = value


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_a_view_without_rows_is_left_alone(name):
    p = problem(name)
    p.observed[0] = p.observed[0] & False
    before = p.posterior.views[0].weights_mean.clone()
    p.sweep(2)
    assert (p.posterior.views[0].weights_mean == before).all()


@pytest.mark.parametrize(
    "name", ["two binary views", "missing binary entries", "two categorical views", "all"]
)
def test_each_local_step_of_logits(name):
    """q of the rows after more steps is never worse, from the first."""
    p = problem(name, n=25)
    values = [p.bound(p.infer(iterations=i).statistics()) for i in range(8)]
    for i, (before, after) in enumerate(zip(values, values[1:], strict=False)):
        assert_no_fall(before, after, f"step {i + 1}")
    assert values[-1] > values[0]


GROUPED = Grouped(("first", "second", "empty"))
VIEWS = {
    "real": {"a": Real(5), "b": Real(4)},
    "noise of each feature": {"a": Real(5, noise=Gamma(per_feature=True)), "b": Real(4)},
    "binary": {"a": Real(5), "b": Bernoulli(4)},
    "categorical": {"a": Real(5), "b": Categorical(4)},
    "frozen": {"a": Frozen(5, variances=True), "b": Frozen(4)},
    "binary and frozen": {"a": Bernoulli(5), "b": Frozen(4, variances=True)},
    "binary, plain units": {"a": Bernoulli(5), "b": Real(4, standardise="none")},
}


def tables(views: dict[str, View], rng: np.random.Generator, entries: bool) -> dict[str, np.ndarray]:
    """Data of two factors and two clusters, from which rows, and single entries where asked, are missing."""
    latent = rng.normal(size=(80, 2)) + 3 * rng.integers(0, 2, size=(80, 1))
    data = {}
    for i, (name, view) in enumerate(views.items()):
        values = latent @ rng.normal(size=(2, view.latent_dim))
        values = values + 0.5 * rng.normal(size=values.shape)
        if isinstance(view, Bernoulli):
            values = (values > values.mean()).astype(float)
        if isinstance(view, Categorical):
            values = values.argmax(1).astype(float)
        if isinstance(view, Frozen) and view.variances:
            values = np.concatenate([values, rng.gamma(2.0, 0.2, size=values.shape)], 1)
        if entries and view.missing_entries:
            values[rng.random(values.shape) < 0.2] = np.nan
        values[10 * i : 10 * i + 15] = np.nan
        data[name] = values
    return data


@pytest.mark.parametrize(
    ("kind", "missing", "factors"),
    [
        ("real", "rows", StandardNormal()),
        ("real", "entries", Mixture(3)),
        ("noise of each feature", "entries", StandardNormal()),
        ("binary", "rows", StandardNormal()),
        ("binary", "entries", StandardNormal()),
        ("binary, plain units", "rows", Mixture(3)),
        ("categorical", "rows", StandardNormal()),
        ("categorical", "entries", Mixture(3)),
        ("frozen", "rows", StandardNormal()),
        ("binary and frozen", "entries", Mixture(3)),
        ("real", "entries", GROUPED),
        ("binary", "rows", GROUPED),
    ],
    ids=str,
)
def test_a_fit_from_which_something_is_missing(kind, missing, factors, rng):
    data = tables(VIEWS[kind], rng, entries=missing == "entries")
    if factors is GROUPED:
        data["group"] = rng.choice(GROUPED.groups[:2], size=80)
    model = FAVAE(VIEWS[kind], n_factors=3, factors=factors)
    result = fit(model, data, epochs=20, tolerance=1e-9, seed=0, device="cpu", progress=False)
    elbo = result.history["elbo"].to_numpy()
    for sweep, (before, after) in enumerate(zip(elbo, elbo[1:], strict=False)):
        assert_no_fall(before, after, f"sweep {sweep + 1}")
