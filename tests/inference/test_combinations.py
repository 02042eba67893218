"""Every prior of weights, and of noise, under every kind of view."""

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.models.priors import Custom, FixedNoise, Gamma, NoisePrior, WeightPrior
from pyro_favae.models.views import VAE, Bernoulli, Categorical, Frozen, Image, Real, Sequence, Tabular, View
from tests.inference.test_monotone import assert_no_fall, tables
from tests.inference.test_priors import EXAMPLES, concrete

WEIGHTS = [EXAMPLES.get(kind, kind)() for kind in concrete(WeightPrior)]
WEIGHTS += [Custom("StudentT", df=3.0, loc=0.0, scale=0.3), Custom("Gumbel", loc=0.0, scale=1.0)]
NOISE = [kind() for kind in concrete(NoisePrior)]
NOISE += [Gamma(per_feature=True), FixedNoise((1.0, 2.0, 3.0, 4.0))]
KINDS = {
    "Real": Real(4),
    "Real of features' own units": Real(4, standardise="feature"),
    "Real with missing entries": Real(4),
    "Bernoulli": Bernoulli(4),
    "Bernoulli with missing entries": Bernoulli(4),
    "Categorical": Categorical(4),
    "Frozen": Frozen(4),
    "Frozen with variances": Frozen(4, variances=True),
}


def name_of(prior: WeightPrior | NoisePrior) -> str:
    return prior.distribution if isinstance(prior, Custom) else str(prior)


def assert_fits(kind: str, rng: np.random.Generator, **priors) -> None:
    """Beside a table that lacks other rows: the bound never falls, and ends finite and higher than it began."""
    views: dict[str, View] = {"view": KINDS[kind], "table": Real(3)}
    data = tables(views, rng, entries="entries" in kind)
    model = fv.FAVAE(views | {"view": type(KINDS[kind])(**(vars(KINDS[kind]) | priors))}, n_factors=3)
    result = fv.fit(model, data, epochs=8, tolerance=1e-12, seed=0, device="cpu", progress=False)
    elbo = result.history["elbo"].to_numpy()
    assert np.isfinite(elbo).all()
    for sweep, (before, after) in enumerate(zip(elbo, elbo[1:], strict=False)):
        assert_no_fall(before, after, f"sweep {sweep + 1}")
    assert elbo[-1] > elbo[0]
    assert np.isfinite(result.predict("view", {"table": data["table"]}).mean).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", WEIGHTS, ids=name_of)
def test_weights(weights, kind, rng):
    assert_fits(kind, rng, weights=weights)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("noise", NOISE, ids=name_of)
def test_noise(noise, kind, rng):
    assert_fits(kind, rng, noise=noise)


ENCODED = {
    "Image": Image((1, 4, 4), 3, network="dense"),
    "Tabular": Tabular(4, 3, hidden=(8,)),
    "Sequence": Sequence(5, 2, 3, hidden=8),
    "VAE": VAE((2, 3), 3, network="dense"),
}


def assert_learns(kind: str, rng: np.random.Generator, **priors) -> None:
    """Behind an encoder: finite throughout, and no fall once the networks have stopped."""
    view = type(ENCODED[kind])(**(vars(ENCODED[kind]) | priors))
    data = {"view": rng.random((40, *view.event_shape)), "table": rng.normal(size=(40, 3))}
    data["view"][:5] = np.nan
    model = fv.FAVAE({"view": view, "table": Real(3)}, n_factors=3)
    result = fv.fit(model, data, epochs=3, batch_size=16, seed=0, device="cpu", progress=False)
    assert np.isfinite(result.history["elbo"]).all()
    settled = result.history.query("stage == 'settle'")["elbo"].to_numpy()
    for before, after in zip(settled, settled[1:], strict=False):
        assert_no_fall(before, after, "settling")
    assert np.isfinite(result.predict("view", {"table": data["table"]}).mean).all()


@pytest.mark.parametrize("kind", ENCODED)
@pytest.mark.parametrize("weights", WEIGHTS, ids=name_of)
def test_weights_of_encoder_views(weights, kind, rng):
    assert_learns(kind, rng, weights=weights)


@pytest.mark.parametrize("kind", ENCODED)
@pytest.mark.parametrize("noise", [Gamma(), Gamma(per_feature=True), FixedNoise(2.0)], ids=name_of)
def test_noise_of_encoder_views(noise, kind, rng):
    assert_learns(kind, rng, noise=noise)
