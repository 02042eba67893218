"""Priors of the noise: learnt, and known."""

import numpy as np
import pytest
import torch
from pyro import poutine

import pyro_favae as fv
from pyro_favae.inference.extrapolation import NoiseExtrapolation
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.priors import noise_posterior
from pyro_favae.models.priors import FixedNoise, Gamma, NoisePrior
from tests.inference.problems import problem
from tests.inference.test_priors import concrete


def data(n: int = 60) -> dict[str, np.ndarray]:
    """Two tables of the same factors, the features of the first on very different scales."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(n, 2))
    x = factors @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(n, 3))
    return {"x": 5 + x * [1.0, 10.0, 0.1], "y": factors @ rng.normal(size=(2, 4)) + rng.normal(size=(n, 4))}


def fit(noise: NoisePrior, **options) -> fv.Fit:
    model = fv.FAVAE({"x": fv.views.Real(3, noise=noise, **options), "y": fv.views.Real(4)}, 2)
    return fv.fit(model, data(), epochs=15, tolerance=1e-12, seed=0, progress=False, device="cpu")


@pytest.mark.parametrize("kind", concrete(NoisePrior), ids=lambda cls: cls.__name__)
def test_every_noise_prior_has_an_inference_half(kind):
    noise = noise_posterior(kind(), 3)
    for value in (noise.mean, noise.mean_log, noise.mean_inverse):
        assert value.shape == (1,)
    assert noise.elbo().shape == ()


def test_a_noise_prior_without_inference_says_so():
    with pytest.raises(NotImplementedError, match="object"):
        noise_posterior(object(), 2)


@pytest.mark.parametrize("precision", [4.0, (4.0, 0.5, 1.0, 2.0)], ids=["one", "of each feature"])
def test_the_bound_is_that_of_a_gamma_of_no_width(precision):
    """All terms but its divergence, which grows without end as the Gamma narrows."""
    p = problem("noise of each feature")
    sums, view = p.infer().statistics().views[0], p.posterior.views[0]
    view.noise = noise_posterior(Gamma(per_feature=True), 4)
    view.noise.shape.fill_(1e14)
    view.noise.rate.copy_(1e14 / torch.tensor(precision, dtype=torch.float64))
    expected = view.elbo(sums)
    view.noise = noise_posterior(FixedNoise(precision), 4)
    terms = view.elbo(sums)
    assert terms.pop("real0.noise") == 0
    for name, value in terms.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-12)


def test_updates_leave_it_and_use_it():
    """Weights under known noise are those under a learnt one that happens to be there."""
    p = problem("real")
    sums, view = p.infer().statistics().views[0], p.posterior.views[0]
    view.noise.start(torch.full((5,), 0.25).double())
    view.update_weights(sums)
    expected = view.weights_mean.clone()
    view.noise = noise_posterior(FixedNoise(4.0), 5)
    view.update_noise(sums)
    view.noise.start(torch.ones(5))
    view.noise.scale(torch.tensor(3.0))
    assert view.noise.mean == view.noise.mean_log.exp() == 1 / view.noise.mean_inverse == 4
    view.weights_mean.zero_()
    view.update_weights(sums)
    torch.testing.assert_close(view.weights_mean, expected)


@pytest.mark.parametrize("standardise", ["view", "feature", "none"])
@pytest.mark.parametrize("precision", [4.0, (4.0, 0.04, 400.0)], ids=["one", "of each feature"])
def test_it_is_in_the_users_units(precision, standardise):
    """Whatever the view standardises by: 1/τ of the data is what was declared."""
    result = fit(FixedNoise(precision), standardise=standardise)
    declared = np.broadcast_to(precision, 3)
    view, unit = result.posterior.view("x"), result.model.emission("x").unit
    latent = torch.as_tensor(declared.copy()) * unit.square()
    torch.testing.assert_close(view.noise.mean.expand(3), latent)
    trace = poutine.trace(result.model).get_trace(rows=2)
    torch.testing.assert_close(trace.nodes["x.noise_precision"]["value"].expand(3), latent)
    assert "x.noise_precision" not in poutine.trace(result.guide).get_trace(rows=2)
    elbo = result.history["elbo"].to_numpy()
    assert (np.diff(elbo) >= -1e-9 * abs(elbo[1:])).all()
    assert (result.history["x.noise"] == 0).all()
    assert (result.predict("x", data()).sd >= declared**-0.5).all()
    assert len(view.weights_covariance) == (1 if len(set(latent.tolist())) == 1 else 3)


def test_noise_larger_than_the_data_silences_a_view():
    loud = fit(FixedNoise(1e-6), standardise="none")
    assert not loud.active.loc["x"].any()
    assert fit(FixedNoise(4.0), standardise="none").active.loc["x"].any()


def test_known_noise_survives_saving(tmp_path):
    result = fit(FixedNoise((4.0, 0.04, 400.0)), standardise="feature")
    result.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit")
    assert loaded.declaration == result.declaration
    np.testing.assert_array_equal(loaded.predict("x", data()).sd, result.predict("x", data()).sd)


def test_known_noise_of_logits_is_not_extrapolated():
    views = {"a": fv.views.Bernoulli(3, noise=FixedNoise(2.0)), "b": fv.views.Bernoulli(3)}
    posterior = Posterior(fv.FAVAE(views, 2))
    assert [view.name for view in NoiseExtrapolation(posterior, ["a", "b"]).views] == ["b"]
    labels = np.random.default_rng(0).random((30, 3)) < 0.5
    result = fv.fit(fv.FAVAE(views, 2), {"a": labels, "b": ~labels}, epochs=6, seed=0, progress=False)
    assert result.posterior.view("a").noise.mean == 2
    assert (result.history["elbo"].diff().dropna() >= -1e-9 * abs(result.elbo)).all()


def test_draws_for_arviz_hold_no_noise_that_is_known():
    sites = fv.to_arviz(fit(FixedNoise(4.0)), draws=2).posterior
    assert "x.noise_precision" not in sites
    assert "y.noise_precision" in sites
