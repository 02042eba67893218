"""What follows from draws of the exact posterior."""

import arviz
import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError

ROWS = 60


@pytest.fixture(scope="module")
def problem():
    """Rows to fit with entries missing, a fit, its samples, and rows of which the second view is not known."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(ROWS + 20, 2))
    data = {
        "left": 10 + 5 * factors @ rng.normal(size=(2, 4)) + 2 * rng.normal(size=(ROWS + 20, 4)),
        "right": factors @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(ROWS + 20, 3)),
    }
    new = {name: values[ROWS:] for name, values in data.items()}
    data = {name: values[:ROWS].copy() for name, values in data.items()}
    data["left"][:6, 1], data["right"][9] = np.nan, np.nan
    views = {
        "left": fv.views.Real(("a", "b", "c", "d")),
        "right": fv.views.Real(3, noise=fv.priors.FixedNoise(2.0)),
    }
    model = fv.FAVAE(views, 2, weights=fv.priors.ARD(2, 2), noise=fv.priors.Gamma(2, 2, per_feature=True))
    fit = fv.fit(model, data, epochs=500, tolerance=1e-9, seed=0, progress=False)
    return data, fit, fv.sample(fit, data, draws=250, warm_up=50, seed=0, progress=False), new


def test_shared_covariance_is_in_the_users_units_and_the_views_order(problem):
    _, _, samples, _ = problem
    left, right = samples.weights("left"), samples.weights("right")
    assert left.shape == (4, 250, 4, 2)
    np.testing.assert_allclose(samples.shared_covariance("left"), left @ left.swapaxes(-1, -2))
    both = samples.shared_covariance("right", "left")
    np.testing.assert_allclose(both[..., :3, 3:], right @ left.swapaxes(-1, -2))
    np.testing.assert_array_equal(samples.shared_covariance(), samples.shared_covariance("left", "right"))


def test_predictions_are_close_to_the_fits_and_hold(problem):
    _, fit, samples, new = problem
    given = {"left": new["left"]}
    ours, theirs = samples.predict("right", given, n_draws=200, seed=0), fit.predict("right", given)
    assert np.abs(ours.mean - theirs.mean).max() < 0.4 * theirs.sd.min()
    np.testing.assert_allclose(ours.sd / theirs.sd, 1, atol=0.2)
    assert ours.draws.shape == (200, 20, 3)
    assert np.abs(ours.draws.mean(0) - ours.mean).max() < 5 * ours.sd.max() / np.sqrt(200)
    assert (ours.draws.std(0) / ours.sd).mean() == pytest.approx(1, abs=0.05)
    assert 0.8 < np.mean(np.abs(ours.mean - new["right"]) < 2 * ours.sd) <= 1
    again = samples.predict("right", given, n_draws=200, seed=0)
    np.testing.assert_array_equal(again.draws, ours.draws)


def test_few_at_a_time_is_like_all(problem, monkeypatch):
    _, _, samples, new = problem
    whole = samples.predict("right", {"left": new["left"]}, seed=0)
    monkeypatch.setattr(fv.results.sampled_rows, "CHUNK", 20 * 4 * 7)
    parts = samples.predict("right", {"left": new["left"]}, seed=0)
    assert np.abs(whole.mean - parts.mean).max() < 0.1 * whole.sd.min()
    np.testing.assert_allclose(parts.sd, whole.sd, rtol=0.05)


def test_predictions_average_over_draws(problem):
    """Mean and variance are those of the mixture that the draws of the globals make."""
    _, _, samples, new = problem
    factors = torch.as_tensor(samples.factors({"left": new["left"]}, seed=0))
    latents = factors @ samples.sites["right.weights"].mT + samples.sites["right.bias"][..., None, :]
    unit = samples.fit.model.emission("right").unit
    predicted = samples.predict("right", {"left": new["left"]}, seed=0)
    mean = samples.fit.model.emission("right").decode(latents.mean((0, 1)))
    np.testing.assert_allclose(predicted.mean, mean)
    variance = latents.flatten(0, 1).var(0, correction=0) + 1 / (2.0 * unit**2)
    np.testing.assert_allclose(predicted.sd, unit * variance.sqrt())


def test_alignment_turns_factors_towards_the_fit(problem):
    data, fit, samples, _ = problem
    for aligned in (samples.aligned(), samples.aligned(rotate=False)):
        np.testing.assert_allclose(aligned.shared_covariance(), samples.shared_covariance())
        assert torch.equal(aligned.sites["left.bias"], samples.sites["left.bias"])
        assert (
            np.corrcoef(aligned.weights("left").mean((0, 1)).ravel(), fit.weights("left").ravel())[0, 1] > 0.7
        )
    turned = samples.aligned()
    away = np.abs(turned.weights("left").mean((0, 1)) - fit.weights("left"))
    assert np.all(away < turned.weights("left").std((0, 1)))
    assert "left.relevance" not in turned.sites
    factors = turned.factors(data, seed=0)
    assert factors.shape == (4, 250, ROWS, 2)
    of_fit = fit.transform(data).mean
    for k in range(2):
        assert np.corrcoef(factors.mean((0, 1))[:, k], of_fit[:, k])[0, 1] > 0.95


def test_reordering_takes_relevances_along(problem):
    _, _, samples, _ = problem
    aligned = samples.aligned(rotate=False)
    for name in ("left", "right"):
        before, after = (s.sites[f"{name}.weights"].square().sum(-2) for s in (samples, aligned))
        swapped = (before[..., 0] == after[..., 1]) & (before[..., 1] == after[..., 0])
        kept = (before == after).all(-1)
        assert (swapped ^ kept).all()
        relevance = samples.sites[f"{name}.relevance"]
        expected = torch.where(swapped[..., None], relevance.flip(-1), relevance)
        assert torch.equal(aligned.sites[f"{name}.relevance"], expected)
    assert torch.equal(aligned.aligned(rotate=False).sites["left.weights"], aligned.sites["left.weights"])


def test_in_arviz_chains_can_be_judged(problem):
    data, _, samples, _ = problem
    idata = fv.to_arviz(samples, data, draws=10, seed=0, local=True, progress=False)
    posterior = idata["posterior"]
    assert posterior["left.communality"].dims == ("chain", "draw", "left.feature")
    assert list(posterior["left.feature"].values) == ["a", "b", "c", "d"]
    assert posterior["left.weights"].shape == (4, 10, 4, 2)
    shared = samples.shared_covariance("left")[:, np.linspace(0, 249, 10).round().astype(int)]
    np.testing.assert_allclose(posterior["left.communality"], np.diagonal(shared, axis1=-2, axis2=-1))
    assert idata["posterior_predictive"]["left.data"].shape == (4, 10, ROWS, 4)
    assert idata["log_likelihood"]["data"].shape == (4, 10, ROWS)
    assert "rotation" in posterior.attrs["sampling"]
    whole = fv.to_arviz(samples)["posterior"]
    rhat = arviz.rhat(whole, var_names=["left.communality", "left.bias", "left.noise_precision"])
    assert all(float(value.max()) < 1.05 for value in rhat.values())


def test_rows_sites_in_arviz_follow_their_draw(problem):
    """Factors reproduce the data with the weights of their own draw, not with those of another."""
    data, _, samples, _ = problem
    idata = fv.to_arviz(samples, data, draws=40, seed=0, local=True, log_likelihood=False, progress=False)
    posterior = idata["posterior"]
    weights, bias = posterior["right.weights"].values, posterior["right.bias"].values[:, :, None]

    def misfit(factors: np.ndarray) -> float:
        mean = np.einsum("cnrk,cndk->cnrd", factors, weights) + bias
        return np.nanmean((data["right"] - mean) ** 2)

    own = posterior["factors"].values
    assert misfit(own) < 0.7 * misfit(np.roll(own, 20, axis=1))


@pytest.mark.parametrize(
    "ask", [lambda s: fv.to_arviz(s, draws=251), lambda s: s.predict("left", {}, n_draws=2000)]
)
def test_more_draws_than_there_are_are_refused(problem, ask):
    with pytest.raises(SpecError, match="draws"):
        ask(problem[2])


def test_unknown_views_are_refused(problem):
    for ask in (problem[2].weights, problem[2].shared_covariance):
        with pytest.raises(DataError, match="'middle'"):
            ask("middle")


def test_it_says_what_it_is(problem):
    assert repr(problem[2]) == "Samples(4 chains of 250 draws, ended by draws)"
