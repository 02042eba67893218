import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.diagnostics import factor_influence, influence, mutual_information, view_influence
from pyro_favae.errors import DataError, SpecError


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
    assert found.bound >= found.total


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


def test_the_prior_of_a_views_latents_is_its_own(image_fit):
    """p(z_h) with everything integrated out: as of many draws from the model."""
    fit, images = image_fit
    found = influence(fit, "digit", images)
    posterior = fit.guide.posterior.view("digit")
    weights, bias = posterior.weights.weights.numpy(), posterior.weights.bias.numpy()
    least = (weights**2).sum(1) + posterior.noise.mean_inverse.numpy()  # without the weights' uncertainty
    divergence = 0.5 * (
        np.log(least)
        - np.log(found.marginal_variance)
        + 2 * found.nats
        + (found.marginal_variance + (found.marginal_mean - bias) ** 2) / least
        - 1
    )
    np.testing.assert_allclose(found.divergence, divergence, atol=0.05)


def test_influence_of_a_plain_vae(digits_vae):
    pretrained, images = digits_vae
    mean, variance = pretrained.encode(images)
    expected = mutual_information(mean, variance, "zero-mean")
    found = influence(pretrained, images, marginal="zero-mean")
    np.testing.assert_allclose(found.nats, expected.nats, rtol=1e-4, atol=1e-6)
    assert found.total_standard_error == pytest.approx(expected.total_standard_error, rel=1e-4)
    assert found.bound == pytest.approx(expected.bound, rel=1e-4)
    assert found.bound > found.total > 0.1


@pytest.fixture(scope="module")
def digits_vae():
    images = fv.datasets.load_digits().images[:200]
    view = fv.views.Image((1, 8, 8), 3)
    return fv.pretrain(
        view, images, epochs=3, batch_size=20, learning_rate=1e-2, seed=0, progress=False
    ), images


def test_influence_needs_two_rows(digits_vae, image_fit):
    pretrained, images = digits_vae
    with pytest.raises(DataError, match=r"'data', its encoder's moments: 1 row, expected two"):
        influence(pretrained, images[:1])
    gaps = images[:5].copy()
    gaps[1:] = np.nan
    with pytest.raises(DataError, match=r"'digit', its encoder's moments: 1 row, expected two"):
        influence(image_fit[0], "digit", gaps)


def test_influence_of_an_encoder_that_diverged(digits_vae):
    pretrained, images = digits_vae
    encoder = pretrained.guide.inference("data").encoder
    bias = encoder[-1].bias
    with torch.no_grad():
        before = bias.clone()
        bias[1] = np.nan
        try:
            with pytest.raises(DataError, match="200 of 200 rows have, in dimensions 1, not finite"):
                influence(pretrained, images)
        finally:
            bias.copy_(before)


def test_influence_of_neither_a_fit_nor_a_vae():
    with pytest.raises(SpecError, match="influence of a dict"):
        influence({}, "digit", None)


def test_which_factors_carry_information_about_each_view(fit, simulation):
    """One true factor is shared, one is left's alone and one right's."""
    found = view_influence(fit, simulation.data)
    both = factor_influence(fit, simulation.data)
    for name, information in found.items():
        active = fit.active.loc[name].to_numpy()
        assert information.nats[active].min() > 1
        assert information.nats[~active].max() < 0.05
        assert information.total <= both.total + 4 * both.total_standard_error
        assert information.bound >= information.total
    assert found["right"].n_rows == np.isfinite(simulation.data["right"][:, 0]).sum()
    alone = factor_influence(fit, {"left": simulation.data["left"]})
    assert alone.total == pytest.approx(found["left"].total)
