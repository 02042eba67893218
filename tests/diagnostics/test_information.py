import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.diagnostics import factor_influence, influence, mutual_information
from pyro_favae.errors import DataError, SpecError

GAIN, NOISE = np.array([2.0, 0.5, 0.0]), np.array([0.5, 1.0, 0.3])
TRUTH = 0.5 * np.log(1 + GAIN**2 / NOISE)  # of x ~ N(0, 1) and z | x ~ N(gain x, noise)


def linear_gaussian(rng, n=2000):
    return rng.normal(size=(n, 3)) * GAIN, np.broadcast_to(NOISE, (n, 3))


def test_a_linear_gaussian_encoder(rng):
    found = mutual_information(*linear_gaussian(rng))
    assert np.all(np.abs(found.nats - TRUTH) <= 4 * found.standard_error + 1e-12)
    assert found.nats[2] == pytest.approx(0, abs=1e-12)
    assert found.total == pytest.approx(found.nats.sum())
    np.testing.assert_allclose(found.bits, found.nats / np.log(2))
    assert found.ranking.tolist() == [0, 1, 2]


def test_the_standard_error_is_that_of_repeated_samples(rng):
    runs = [mutual_information(*linear_gaussian(rng, 300)) for _ in range(400)]
    for name, error in (("nats", "standard_error"), ("total", "total_standard_error")):
        values = np.array([getattr(run, name) for run in runs])
        claimed = np.mean([getattr(run, error) for run in runs], axis=0)
        # the standard deviation of 400 draws is known to 1 / sqrt(800)
        np.testing.assert_allclose(values.std(0), claimed, rtol=4 / np.sqrt(800), atol=1e-12)


def test_it_is_the_mean_divergence_from_the_moment_matched_marginal(rng):
    mean, variance = rng.normal(size=(50, 4)), rng.gamma(2.0, size=(50, 4))
    marginal = torch.distributions.Normal(
        torch.as_tensor(mean.mean(0)), torch.as_tensor((variance.mean(0) + mean.var(0)) ** 0.5)
    )
    rows = torch.distributions.Normal(torch.as_tensor(mean), torch.as_tensor(variance).sqrt())
    expected = torch.distributions.kl_divergence(rows, marginal)
    found = mutual_information(mean, variance)
    np.testing.assert_allclose(found.nats, expected.mean(0))
    np.testing.assert_allclose(found.standard_error, expected.std(0) / 50**0.5)


def test_units_of_the_latent_do_not_matter(rng):
    mean, variance = linear_gaussian(rng, 100)
    scaled = mutual_information(5 + 3 * mean, 9 * variance)
    np.testing.assert_allclose(scaled.nats, mutual_information(mean, variance).nats, atol=1e-12)


def test_a_bimodal_dimension_is_an_upper_bound(rng):
    mean = np.where(rng.random((1000, 1)) < 0.5, -1.0, 1.0)
    assert mutual_information(mean, np.full((1000, 1), 1e-4)).total > np.log(2)


def test_what_are_no_moments():
    with pytest.raises(DataError, match="two rows"):
        mutual_information(np.zeros((1, 2)), np.ones((1, 2)))
    with pytest.raises(DataError, match="log variances"):
        mutual_information(np.zeros((3, 2)), -np.ones((3, 2)))
    with pytest.raises(DataError, match="missing"):
        mutual_information(np.full((3, 2), np.nan), np.ones((3, 2)))


@pytest.fixture(scope="module")
def image_fit():
    digits = fv.datasets.load_digits()
    images = digits.images[:200]
    model = fv.FAVAE({"digit": fv.views.Image((1, 8, 8), 3)}, 2)
    return fv.fit(
        model, {"digit": images}, epochs=3, batch_size=20, learning_rate=1e-2, seed=0, progress=False
    ), images


def test_influence_reads_the_encoder(image_fit):
    fit, images = image_fit
    with torch.no_grad():
        emission = fit.model.emission("digit")
        mean, variance = fit.guide.inference("digit").encode(torch.as_tensor(images), emission)
    expected = mutual_information(mean.numpy(), variance.numpy())
    found = influence(fit, "digit", images)
    assert found.nats.shape == (3,)
    np.testing.assert_allclose(found.nats, expected.nats, rtol=1e-4, atol=1e-6)
    assert found.nats.max() > 0.1


def test_influence_leaves_out_rows_without_the_view(image_fit):
    fit, images = image_fit
    gaps = images.copy()
    gaps[::3] = np.nan
    kept = np.delete(images, np.s_[::3], axis=0)
    np.testing.assert_allclose(
        influence(fit, "digit", gaps).nats, influence(fit, "digit", kept).nats, rtol=1e-4, atol=1e-6
    )


def test_influence_needs_an_encoder(fit, image_fit, simulation):
    with pytest.raises(SpecError, match="'left' is a Real"):
        influence(fit, "left", simulation.data["left"])
    with pytest.raises(DataError, match="unknown view"):
        influence(image_fit[0], "nonsense", image_fit[1])


def test_factors_of_a_linear_gaussian_model(fit, simulation):
    rows = {name: values[:-60] for name, values in simulation.data.items()}  # those with both views
    found = factor_influence(fit, rows)
    factors = fit.transform(rows)
    marginal = np.cov(factors.mean.T, bias=True) + factors.covariance.mean(0)
    expected = 0.5 * (np.linalg.slogdet(marginal)[1] - np.linalg.slogdet(factors.covariance[0])[1])
    assert found.total == pytest.approx(expected, abs=1e-9)
    off = ~fit.active.any().to_numpy()
    assert np.all(found.nats[off] < 0.05)
    assert np.all(found.nats[~off] > 1.5)
    population = 0.5 * np.linalg.slogdet(np.linalg.inv(factors.covariance[0]))[1]  # marginal N(0, I)
    assert abs(found.total - population) < 4 * found.total_standard_error
