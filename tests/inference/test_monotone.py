"""On closed-form models no update lowers the bound."""

import numpy as np
import pytest

from pyro_favae.fitting import fit
from pyro_favae.inference.rotation import rotate
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Gamma, Mixture
from pyro_favae.models.views import Bernoulli, Real
from tests.inference.problems import CLOSED_FORM, COMBINATIONS, problem

SWEEPS = 12


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
                "relevance": lambda view=view: view.relevance.update(view.squares, view.n_features),
                "noise": lambda view=view, part=part: view.update_noise(part),
            }
            for block, step in steps.items():
                step()
                value = p.bound(sums)
                assert_no_fall(last, value, f"sweep {sweep}, view {view.name}: {block}")
                last = value
            # rotation wants the relevances at their optimum
            view.relevance.update(view.squares, view.n_features)
        p.posterior.factors.update(sums.factors)
        value = p.bound(sums)
        assert_no_fall(last, value, f"sweep {sweep}: components")
        last = value
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
    ("views", "options"),
    [
        ({"a": Real(5), "b": Real(4)}, {}),
        ({"a": Real(5, noise=Gamma(per_feature=True)), "b": Real(4)}, {}),
        ({"a": Real(5), "b": Bernoulli(4)}, {}),
        ({"a": Real(5), "b": Real(4)}, {"factors": Mixture(3)}),
        ({"a": Bernoulli(5), "b": Real(4, standardise="none")}, {"factors": Mixture(3)}),
    ],
    ids=["real", "noise of each feature", "binary", "mixture", "binary and mixture"],
)
def test_a_fit_with_missing_rows(views, options, rng):
    latent = rng.normal(size=(80, 2)) + 3 * rng.integers(0, 2, size=(80, 1))
    data = {}
    for i, (name, view) in enumerate(views.items()):
        values = latent @ rng.normal(size=(2, view.latent_dim)) + 0.5 * rng.normal(size=(80, view.latent_dim))
        values = (values > values.mean()).astype(float) if isinstance(view, Bernoulli) else values
        values[10 * i : 10 * i + 15] = np.nan
        data[name] = values
    model = FAVAE(views, n_factors=3, **options)
    result = fit(model, data, epochs=40, tolerance=1e-9, seed=0, device="cpu", progress=False)
    elbo = result.history["elbo"].to_numpy()
    for sweep, (before, after) in enumerate(zip(elbo, elbo[1:], strict=False)):
        assert_no_fall(before, after, f"sweep {sweep + 1}")
