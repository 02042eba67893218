"""Training a view alone, plugging it in, and conditioning it without touching its networks."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import pyro_favae as fv
from pyro_favae.errors import DataError, LoadError, SpecError
from pyro_favae.results.pretrained import NAME
from tests.fitting.conftest import TRAIN, same_state


def test_a_plain_vae_reconstructs_and_generates(digits, pretrained):
    held_out = digits.images[TRAIN:]
    error = np.square(pretrained.reconstruct(held_out) - held_out).mean()
    assert error < 0.5 * np.square(held_out - digits.images[:TRAIN].mean(0)).mean()
    drawn = pretrained.generate(200, seed=1)
    assert drawn.shape == (200, 1, 8, 8)
    assert np.abs(drawn.mean(0) - digits.images.mean(0)).mean() < 0.05
    np.testing.assert_array_equal(drawn, pretrained.generate(200, seed=1))


def test_its_history_is_the_plain_vaes_bound(pretrained):
    history = pretrained.history
    assert len(history) == 60
    np.testing.assert_allclose(history["elbo"], history["likelihood"] - history["divergence"])
    assert history["elbo"].iloc[-5:].mean() > history["elbo"].iloc[:5].mean()
    assert (history["divergence"] >= 0).all()


def test_the_aggregate_posterior_is_near_the_prior(digits, pretrained):
    mean, variance = pretrained.encode(digits.images[:TRAIN])
    np.testing.assert_allclose(mean.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(mean.var(0) + variance.mean(0), 1, atol=0.15)


def test_rows_that_lack_the_view_are_left_out(digits):
    images = digits.images[:60].copy()
    images[::3] = np.nan
    pretrained = fv.pretrain(digits.view, images, epochs=2, seed=0, progress=False)
    mean, variance = pretrained.encode(images)
    assert np.isnan(mean[::3]).all()
    assert np.isnan(variance[::3]).all()
    assert np.isfinite(mean[1::3]).all()


def test_batches_in_which_no_row_has_the_view(digits, monkeypatch):
    """While networks are trained, while they are read off, and while they are left as they are."""
    monkeypatch.setattr("pyro_favae.inference.passes.CHUNK_ROWS", 10)
    images = digits.images[:60].copy()
    images[:20] = np.nan
    data, options = {"digit": images, "label": digits.labels[:60]}, {"seed": 0, "progress": False}
    pretrained = fv.pretrain(digits.view, images, epochs=0, batch_size=10, **options)
    for extra in ({"pretrained": {"digit": pretrained}}, {"epochs": 2}):
        fit = fv.fit(digits.model, data, batch_size=10, **options, **extra)
        assert np.isfinite(fit.history["elbo"]).all()


def test_conditioning_leaves_the_networks_as_they_are(digits, pretrained, conditioned):
    assert same_state(conditioned.model.emission("digit"), pretrained.guide.model.emission(NAME))
    assert same_state(conditioned.guide.inference("digit"), pretrained.guide.inference(NAME))


def test_a_conditioned_vae_knows_its_labels(digits, conditioned):
    """Ten labels, so chance is one tenth; logistic regression on the same encodings is the ceiling to come near."""
    from sklearn.linear_model import LogisticRegression

    encoded = conditioned.pretrained("digit").encode(digits.images)[0]
    labels = digits.labels.argmax(1)
    ceiling = LogisticRegression(max_iter=1000).fit(encoded[:TRAIN], labels[:TRAIN])
    assert digits.accuracy(conditioned) > ceiling.score(encoded[TRAIN:], labels[TRAIN:]) - 0.1


def test_it_ends_when_a_fit_to_the_encodings_would(digits):
    """The pixels' likelihood, a constant, may be most of the bound: it does not make a tolerance coarser."""
    view = fv.views.Image((1, 8, 8), 8, likelihood=fv.likelihoods.Gaussian(0.01))
    images, labels = digits.images[:150], digits.labels[:150, :3]
    pretrained = fv.pretrain(view, images, epochs=1, seed=0, progress=False)
    encodings = np.concatenate(pretrained.encode(images), 1)
    ends = []
    for image, data, networks in (
        (view, images, {"digit": pretrained}),
        (fv.views.Frozen(8, variances=True, standardise="none"), encodings, None),
    ):
        model = fv.FAVAE({"digit": image, "label": fv.views.Bernoulli(3)}, n_factors=8)
        fit = fv.fit(model, {"digit": data, "label": labels}, pretrained=networks, seed=0, progress=False)
        assert fit.ended_by == "tolerance"
        ends.append(fit.history)
    pixels, bound = ends[0]["digit.likelihood"].iloc[-1], ends[1]["elbo"].iloc[-1]
    assert abs(pixels) > 100 * abs(bound)
    assert len(ends[0]) == len(ends[1]) > 5
    np.testing.assert_allclose(ends[0]["elbo"] - pixels, ends[1]["elbo"], rtol=1e-3)


def test_sweeps_over_encoded_rows_never_lower_the_bound(conditioned):
    gains = conditioned.history["elbo"].diff().dropna()
    assert set(conditioned.history["stage"]) == {"sweep"}
    assert (gains >= -1e-9 * conditioned.history["elbo"].abs().max()).all()
    assert conditioned.ended_by == "tolerance"


def test_pretrained_networks_are_trained_further_if_asked(digits, pretrained):
    fit = fv.fit(
        digits.model,
        digits.train,
        pretrained={"digit": pretrained},
        train=["digit"],
        epochs=4,
        batch_size=64,
        seed=0,
        progress=False,
    )
    assert not same_state(fit.model.emission("digit"), pretrained.guide.model.emission(NAME))
    assert list(fit.history["stage"]) == ["train"] * 4 + ["settle"] * 3
    assert digits.accuracy(fit) > 0.6


def test_networks_of_a_fit_go_into_another(digits, conditioned):
    halves = {"digit": digits.train["digit"][::2], "label": digits.train["label"][::2]}
    fit = fv.fit(
        digits.model, halves, pretrained={"digit": conditioned.pretrained("digit")}, seed=0, progress=False
    )
    assert digits.accuracy(fit) > 0.6


def test_encodings_are_what_a_frozen_view_takes(digits, pretrained):
    """The same model with the encodings as data: the same posterior, up to the likelihood of the images."""
    encoded = np.concatenate(pretrained.encode(digits.train["digit"]), 1)
    frozen_view = fv.views.Frozen(8, variances=True, standardise="none")
    frozen = fv.FAVAE({"digit": frozen_view, "label": digits.model.views["label"]}, n_factors=8)
    options = {"tolerance": 1e-8, "seed": 0, "progress": False}
    histories = [
        fv.fit(digits.model, digits.train, pretrained={"digit": pretrained}, **options).history,
        fv.fit(frozen, {"digit": encoded, "label": digits.train["label"]}, **options).history,
    ]
    ends = (".weights", ".noise", ".latents", "factors", "label.likelihood")
    first, second = (
        history[[column for column in history if column.endswith(ends)]].iloc[-1].sum()
        for history in histories
    )
    assert first == pytest.approx(second, abs=0.1)


def test_a_saved_vae_is_the_same(digits, pretrained, tmp_path):
    path = tmp_path / "vae"
    pretrained.save(path)
    loaded = fv.load_pretrained(path)
    for first, second in zip(loaded.encode(digits.images), pretrained.encode(digits.images), strict=True):
        np.testing.assert_array_equal(first, second)
    pd.testing.assert_frame_equal(loaded.history, pretrained.history)
    assert loaded.view == pretrained.view
    with pytest.raises(LoadError, match=r"expected 'pyro_favae.fit'"):
        fv.load(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(LoadError):
        fv.load_pretrained(path)


def test_a_saved_fit_is_no_vae(conditioned, tmp_path):
    conditioned.save(tmp_path / "fit")
    with pytest.raises(LoadError, match=r"expected 'pyro_favae.pretrained'"):
        fv.load_pretrained(tmp_path / "fit")


class TestModulesTrainedElsewhere:
    """Principal components as encoder and decoder; the latents have a scale of their own."""

    @pytest.fixture
    def view(self, digits):
        flat = torch.as_tensor(digits.images).flatten(1)
        axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh[:8]
        encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 16))
        decoder = nn.Sequential(nn.Linear(8, 64), nn.Unflatten(1, (1, 8, 8)))
        with torch.no_grad():
            encoder[1].weight.copy_(torch.cat([3 * axes, torch.zeros(8, 64)]))
            encoder[1].bias.copy_(torch.tensor([5.0] * 8 + [-3.0] * 8))
            decoder[0].weight.copy_(axes.mT / 3)
        fv.networks.register("elsewhere", encoder, decoder)
        yield fv.views.Image(
            (1, 8, 8), 8, network="elsewhere", likelihood=fv.likelihoods.Gaussian(0.2, link="identity")
        )
        fv.networks.NETWORKS.pop("elsewhere")

    def test_they_stay_as_they_are(self, digits, view):
        pretrained = fv.pretrain(view, digits.images, epochs=0, progress=False)
        mean, variance = pretrained.encode(digits.images)
        weights = fv.networks.find("elsewhere").encoder((1, 8, 8), 8)
        with torch.no_grad():
            expected = weights(torch.as_tensor(digits.images))
        np.testing.assert_allclose(mean, expected[:, :8], atol=1e-5)
        np.testing.assert_allclose(variance, np.exp(-3), rtol=1e-5)
        assert not len(pretrained.history)

    def test_training_further_starts_from_the_scale_they_have(self, digits, view):
        pretrained = fv.pretrain(view, digits.images, epochs=0, progress=False)
        inference, emission = pretrained.guide.inference(NAME), pretrained.guide.model.emission(NAME)
        images = torch.as_tensor(digits.images)
        with torch.no_grad():
            read = inference.eval().encode(images, emission)
            trained = inference.train().encode(images, emission)
        for first, second in zip(read, trained, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-3)

    def test_a_model_conditions_them(self, digits, view):
        model = fv.FAVAE({"digit": view, "label": fv.views.Bernoulli(10)}, n_factors=8)
        fit = fv.fit(model, digits.train, train=[], seed=0, progress=False)
        assert digits.accuracy(fit) > 0.6
        assert set(fit.history["stage"]) == {"sweep"}


def test_networks_of_another_shape_do_not_fit(digits, pretrained):
    other = fv.FAVAE({"digit": fv.views.Image((1, 8, 8), 5)}, n_factors=2)
    with pytest.raises(SpecError, match=r"view 'digit': the pretrained networks .* do not fit"):
        fv.fit(other, {"digit": digits.images}, pretrained={"digit": pretrained}, progress=False)


def test_what_cannot_be_meant(digits, pretrained, conditioned):
    with pytest.raises(SpecError, match="has no networks to train"):
        fv.pretrain(fv.views.Real(3), np.zeros((4, 3)))
    with pytest.raises(SpecError, match=r"pretrained\['label'\]"):
        fv.fit(digits.model, digits.train, pretrained={"label": pretrained})
    with pytest.raises(SpecError, match=r"pretrained\['digit'\] is a str"):
        fv.fit(digits.model, digits.train, pretrained={"digit": "vae"})
    with pytest.raises(SpecError, match=r"among the views with networks, \['digit'\]"):
        fv.fit(digits.model, digits.train, train=["label"])
    with pytest.raises(SpecError, match="expected a list of names"):
        fv.fit(digits.model, digits.train, train="digit")
    with pytest.raises(SpecError, match="it has no networks"):
        conditioned.pretrained("label")
    with pytest.raises(DataError, match="shape"):
        fv.pretrain(digits.view, np.zeros((4, 3)), progress=False)
    with pytest.raises(SpecError, match="epochs"):
        fv.pretrain(digits.view, digits.images, epochs=-1)


def test_a_callback_ends_it(digits):
    pretrained = fv.pretrain(
        digits.view,
        digits.images[:50],
        epochs=10,
        seed=0,
        progress=False,
        callbacks=[lambda record: record["seconds"] > 0],
    )
    assert len(pretrained.history) == 1


def test_networks_without_parameters_have_nothing_to_train(digits):
    fv.networks.register(
        "fixed", nn.Sequential(nn.Flatten(), _Padded()), nn.Sequential(nn.Unflatten(1, (1, 8, 8)))
    )
    try:
        view = fv.views.Image(
            (1, 8, 8), 64, network="fixed", likelihood=fv.likelihoods.Gaussian(link="identity")
        )
        model = fv.FAVAE({"digit": view, "label": fv.views.Bernoulli(10)}, n_factors=8)
        fit = fv.fit(model, digits.train, seed=0, progress=False)
    finally:
        fv.networks.NETWORKS.pop("fixed")
    assert set(fit.history["stage"]) == {"sweep"}
    assert digits.accuracy(fit) > 0.6


class _Padded(nn.Module):
    """Pixels as means, beside one small variance."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.cat([pixels, torch.full_like(pixels, -5.0)], 1)
