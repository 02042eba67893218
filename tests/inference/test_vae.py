"""Encoder views: the pinned latent scale, and training on real digits."""

import numpy as np
import pytest
import torch

from pyro_favae.datasets.digits import load_digits
from pyro_favae.fitting import fit
from pyro_favae.inference.views.vae import ENOUGH_ROWS, LatentStandardiser
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Image, Real


def moments(n: int, seed: int = 0, scale: float = 5.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mean = 3 + scale * torch.randn(n, 4, generator=generator)
    return mean, torch.rand(n, 4, generator=generator) * scale


def test_the_standardiser_pins_the_batch_while_training():
    standardiser = LatentStandardiser(4).train()
    mean, variance = standardiser(*moments(50))
    torch.testing.assert_close(mean.mean(0), torch.zeros(4), rtol=0.0, atol=1e-5)
    torch.testing.assert_close((mean.square() + variance).mean(0), torch.ones(4), rtol=1e-5, atol=1e-5)


def test_the_standardiser_does_not_change_what_scaling_an_encoder_would():
    """Its output is the same whatever the scale and offset of what it is given."""
    mean, variance = moments(50)
    first = LatentStandardiser(4).train()(mean, variance)
    second = LatentStandardiser(4).train()(10 * mean - 7, 100 * variance)
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_training_and_reading_see_the_same_latents():
    standardiser = LatentStandardiser(4).train()
    for _ in range(3):
        standardiser(*moments(50))
    mean, variance = moments(20)
    trained = standardiser(3 * mean + 1, variance)
    read = standardiser.eval()(3 * mean + 1, variance)
    torch.testing.assert_close(trained, read, rtol=1e-4, atol=1e-5)


def test_no_gradient_points_along_a_change_of_scale_or_offset():
    standardiser = LatentStandardiser(4).train()
    standardiser(*moments(50))
    mean, variance = moments(20)
    scale, offset = torch.ones(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    out = standardiser(scale * mean + offset, scale.square() * variance)
    (out[0].sin().sum() + out[1].log().sum()).backward()
    assert scale.grad.abs().max() < 1e-3
    assert offset.grad.abs().max() < 1e-3


def test_the_standardisers_running_moments_converge():
    standardiser = LatentStandardiser(4).train()
    mean, variance = moments(400)
    for _ in range(200):
        standardiser(mean, variance)
    standardiser.eval()
    mean, variance = standardiser(mean, variance)
    torch.testing.assert_close((mean.square() + variance).mean(0), torch.ones(4), rtol=1e-3, atol=1e-3)
    assert not any(buffer.requires_grad for buffer in standardiser.buffers())
    assert all(buffer.grad_fn is None for buffer in standardiser.buffers())


def test_evaluation_and_small_batches_leave_the_running_moments():
    standardiser = LatentStandardiser(4)
    for training, n in ((False, 50), (True, ENOUGH_ROWS - 1)):
        standardiser.train(training)
        mean, variance = moments(n)
        out = standardiser(mean, variance)
        torch.testing.assert_close(out[0], mean)
        torch.testing.assert_close(out[1], variance)
        assert (standardiser.mean == 0).all()
        assert (standardiser.variance == 1).all()


@pytest.fixture(scope="module")
def trained():
    digits = load_digits()
    images, labels = digits.images[:600], np.eye(10)[digits.labels[:600]]
    model = FAVAE({"image": Image((1, 8, 8), latent_dim=6, network="dense"), "labels": Real(10)}, n_factors=8)
    result = fit(
        model,
        {"image": images, "labels": labels},
        epochs=40,
        tolerance=1e-12,
        batch_size=64,
        learning_rate=2e-3,
        seed=0,
        device="cpu",
        progress=False,
    )
    return result, torch.as_tensor(images), torch.as_tensor(labels)


def test_the_latent_scale_stays_pinned(trained):
    """With flat priors nothing but the standardiser fixes the scale of z."""
    fit_, images, _ = trained
    with torch.no_grad():
        mean, variance = fit_.guide.inference("image").encode(images, fit_.model.emission("image"))
    aggregate = mean.var(0, correction=0) + variance.mean(0)
    assert (aggregate - 1).abs().max() < 0.1
    assert mean.mean(0).abs().max() < 0.1


def test_weights_and_noise_have_the_latents_scale(trained):
    """What the factors explain and what they do not add up to the unit variance of the latents."""
    fit_, images, labels = trained
    guide = fit_.guide
    with torch.no_grad():
        data = {"image": images, "labels": labels.double()}
        rows = guide.infer(guide.view_rows(data), len(images))
        statistics = rows.statistics()
    view = guide.posterior.view("image")
    gg = statistics.factors.gg / len(images)
    explained = ((view.weights.weights @ gg) * view.weights.weights).sum(1).mean()
    total = float(explained + 1 / view.noise.mean)
    assert abs(total - 1) < 0.15


def test_training_raises_the_bound_and_settles(trained):
    fit_, _, _ = trained
    elbo = fit_.history["elbo"].to_numpy()
    stage = fit_.history["stage"].to_numpy()
    passes = elbo[stage == "train"]
    assert passes[-1] > passes[0]
    # late passes gain little beside early ones: no drift
    assert abs(passes[-1] - passes[-10]) < 0.3 * (passes[-10] - passes[0])
    assert np.isfinite(elbo).all()


def test_the_history_carries_the_tempered_objective_and_the_bound():
    images = load_digits().images[:100]
    model = FAVAE({"image": Image((1, 8, 8), latent_dim=2, network="dense", beta=4.0)}, n_factors=2)
    history = fit(
        model, {"image": images}, epochs=2, batch_size=32, seed=0, device="cpu", progress=False
    ).history
    difference = history["objective"] - history["elbo"]
    np.testing.assert_allclose(difference, (1 / 4 - 1) * history["image.likelihood"])
