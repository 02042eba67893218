"""Views behind the user's own torch modules."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models import networks
from pyro_favae.models.likelihoods import Bernoulli, Gaussian
from pyro_favae.models.views import VAE, Image, Real

FIT = {"batch_size": 32, "learning_rate": 5e-3, "seed": 0, "progress": False, "device": "cpu"}
SHAPE, LATENTS = (3, 4), 2


class Encoder(nn.Module):
    """Means and log variances apart, by layers that behave differently in training."""

    def __init__(self, size: int = 12, latents: int = LATENTS) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(size, 16), nn.BatchNorm1d(16), nn.Tanh())
        self.mean, self.log_variance = nn.Linear(16, latents), nn.Linear(16, latents)

    def forward(self, data: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.layers(data)
        return self.mean(hidden), self.log_variance(hidden)


def decoder(shape: tuple[int, ...] = SHAPE, latent_dim: int = LATENTS) -> nn.Module:
    size = int(np.prod(shape))
    return nn.Sequential(
        nn.Linear(latent_dim, 16), nn.Dropout(0.2), nn.Tanh(), nn.Linear(16, size), nn.Unflatten(1, shape)
    )


def dense_encoder(shape: tuple[int, ...], latent_dim: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), 2 * latent_dim))


@pytest.fixture
def register(monkeypatch):
    """Registers networks for the time of a test."""
    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))
    return networks.register


@pytest.fixture
def mine(register):
    register("mine", Encoder(), decoder())


def simulated(n: int = 200) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(n, 2))
    fields = np.tanh(factors @ rng.normal(size=(2, 12))) + 0.2 * rng.normal(size=(n, 12))
    data = {
        "x": fields.reshape(n, *SHAPE),
        "y": factors @ rng.normal(size=(2, 3)) + 0.2 * rng.normal(size=(n, 3)),
    }
    data["x"][:10], data["y"][10:20] = np.nan, np.nan
    return data


def model() -> fv.FAVAE:
    return fv.FAVAE({"x": VAE(SHAPE, LATENTS, "mine"), "y": Real(3)}, 2)


def test_shapes(mine):
    view = VAE([3, 4], LATENTS, "mine")
    assert view.event_shape == view.inputs_shape == SHAPE
    assert view.feature_names == ("0", "1")
    assert view == VAE(torch.Size(SHAPE), LATENTS, "mine")
    assert not view.missing_entries
    assert fv.from_json(fv.to_json(view)) == view


def test_each_model_has_a_copy(register):
    encoder = Encoder()
    register("mine", encoder, decoder)
    view = VAE(SHAPE, LATENTS, "mine")
    first, second = view.encoder(), view.encoder()
    assert first is not encoder
    with torch.no_grad():
        first.mean.weight.zero_()
    assert (second.mean.weight == encoder.mean.weight).all()
    assert encoder.mean.weight.abs().min() > 0


def test_declaring_a_view_leaves_the_random_state_and_the_modules_mode(register):
    encoder = Encoder().train()
    register("mine", encoder, decoder)
    state = torch.random.get_rng_state()
    VAE(SHAPE, LATENTS, "mine")
    assert (torch.random.get_rng_state() == state).all()
    assert encoder.training
    assert encoder.layers[2].num_batches_tracked == 0


def test_views_predict_each_other(mine):
    data = simulated()
    learn = {name: values[:150] for name, values in data.items()}
    fit = fv.fit(model(), learn, epochs=60, **FIT)
    predicted = fit.predict("y", {"x": data["x"][150:]}).mean
    error, spread = np.square(predicted - data["y"][150:]).mean(), data["y"][150:].var(0).mean()
    assert error < 0.5 * spread
    predicted = fit.predict("x", {"y": data["y"][150:]}).mean
    error, spread = np.square(predicted - data["x"][150:]).mean(), data["x"][150:].var(0).mean()
    assert error < 0.6 * spread
    assert np.isfinite(fit.impute(data)["x"]).all()


def test_saved_and_loaded_it_predicts_the_same(mine, tmp_path):
    """Layers that drop units or follow batches included: a fit's networks are in evaluation mode."""
    data = simulated(100)
    fit = fv.fit(model(), data, epochs=3, **FIT)
    fit.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit")
    for name in data:
        for given in data:
            runs = [run.predict(name, {given: data[given]}, seed=0).mean for run in (fit, loaded)]
            np.testing.assert_array_equal(*runs)
    for run in (fit, loaded):
        assert not any(module.training for part in (run.model, run.guide) for module in part.modules())


def test_a_batch_that_lacks_the_view_is_no_error(register):
    """Reshaping with an inferred size fails on no rows."""

    class Flat(nn.Linear):
        def forward(self, data: Tensor) -> Tensor:
            return super().forward(data.reshape(len(data), -1))

    register("mine", Flat(12, 2 * LATENTS), decoder())
    data = simulated(64)
    data["x"][12:] = np.nan
    fit = fv.fit(model(), data, epochs=2, **(FIT | {"batch_size": 8, "seed": 1}))
    assert np.isfinite(fit.history["elbo"]).all()


@pytest.mark.parametrize(
    ("shape", "latents", "message"),
    [
        ((3, 5), 2, r"'mine'.*\(rows, 3, 5\).*encoder, tried on zeros \(2, 3, 5\).*cannot be multiplied"),
        ((4, 3), 2, r"'mine'.*decoder gives \(2, 3, 4\) for latents \(2, 2\), expected \(2, 4, 3\)"),
        (
            (3, 4),
            5,
            r"'mine'.*encoder gives a tuple of \(2, 2\), \(2, 2\), expected.*\(2, 10\).*two \(2, 5\)",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused_when_declared(mine, shape, latents, message):
    with pytest.raises(SpecError, match=message):
        VAE(shape, latents, "mine")


class Gives(nn.Module):
    """A network that gives something else."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, _: Tensor) -> object:
        return self.output


@pytest.mark.parametrize(
    ("output", "seen"),
    [
        (torch.zeros(2, 3), r"\(2, 3\)"),
        (torch.zeros(4), r"\(4,\)"),
        ((torch.zeros(2, 2),) * 3, "a tuple of"),
        ((), "a tuple of nothing"),
        ({"mean": 0}, "a dict"),
        (None, "a NoneType"),
        ((torch.zeros(2, 2), 0.0), r"a tuple of \(2, 2\), a float"),
    ],
)
def test_what_an_encoder_may_not_give(register, output, seen):
    register("mine", Gives(output), decoder())
    with pytest.raises(SpecError, match=f"encoder gives {seen}.*expected means and log variances"):
        VAE(SHAPE, LATENTS, "mine")


@pytest.mark.parametrize(
    ("output", "seen"), [(torch.zeros(1, 3, 4), r"\(1, 3, 4\)"), ((torch.zeros(2, 3, 4),), "a tuple")]
)
def test_what_a_decoder_may_not_give(register, output, seen):
    register("mine", Encoder(), Gives(output))
    with pytest.raises(SpecError, match=rf"decoder gives {seen}.*expected \(2, 3, 4\)"):
        VAE(SHAPE, LATENTS, "mine")


def test_functions_of_the_shape(register):
    register("mine", dense_encoder, decoder)
    for shape, latents in (((5,), 3), ((2, 3, 4), 1)):
        view = VAE(shape, latents, "mine")
        assert view.encoder()(torch.zeros(6, *shape)).shape == (6, 2 * latents)
        assert view.decoder()(torch.zeros(6, latents)).shape == (6, *shape)
    register("mine", dense_encoder, lambda shape, latent_dim: None)
    with pytest.raises(SpecError, match="'mine'.*its decoder returns a NoneType.*latent_dim=3"):
        VAE((5,), 3, "mine")


def test_several_outputs(register):
    class Two(Gaussian):
        group = ""
        outputs = 2

    register("mine", dense_encoder, lambda shape, latent_dim: decoder((2, *shape), latent_dim))
    VAE(SHAPE, 3, "mine", likelihood=Two(link="identity"))
    with pytest.raises(SpecError, match=r"decoder gives \(2, 2, 3, 4\).*expected \(2, 3, 4\)"):
        VAE(SHAPE, 3, "mine")


def test_images(register):
    register("mine", dense_encoder, decoder)
    view = Image((1, 5, 7), 3, network="mine")  # sides that no built-in convolutions take
    images = np.random.default_rng(0).integers(0, 255, size=(40, 1, 5, 7), dtype=np.uint8)
    fit = fv.fit(fv.FAVAE({"x": view}, 2), {"x": images}, epochs=2, **FIT)
    assert fit.predict("x", {"x": images}).mean.shape == images.shape
    register("mine", Encoder(), decoder())
    with pytest.raises(SpecError, match=r"views.Image: network 'mine' does not fit data \(rows, 1, 5, 7\)"):
        Image((1, 5, 7), 2, network="mine")


def test_built_in_networks_take_any_data():
    data = np.random.default_rng(0).normal(size=(40, 3, 2))
    fit = fv.fit(fv.FAVAE({"x": VAE((3, 2), 2, "dense")}, 2), {"x": data}, epochs=2, **FIT)
    assert fit.predict("x", {"x": data}).mean.shape == data.shape


def test_modules_without_parameters(register):
    """Of a decoder that learns nothing only the encoder does."""
    register("mine", dense_encoder, nn.Identity())
    view = VAE((3,), 3, "mine")
    data = np.random.default_rng(0).normal(size=(40, 3))
    fit = fv.fit(fv.FAVAE({"x": view}, 2), {"x": data}, epochs=2, **FIT)
    assert np.isfinite(fit.history["elbo"]).all()


def test_networks_in_double_precision(register):
    register("mine", Encoder().double(), decoder().double())
    data = simulated(60)
    fit = fv.fit(model(), data, epochs=2, **FIT)
    assert fit.predict("x", {"y": data["y"]}).mean.dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "yours"}, r"unknown network 'yours'.*fv.networks.register\('yours', encoder, decoder\)"),
        ({"network": None}, "unknown network None"),
        ({"network": ["mine"]}, "unknown network"),
        ({"shape": 12}, "shape is 12"),
        ({"shape": ()}, r"shape is \(\)"),
        ({"shape": (3, -4)}, "shape is -4"),
        ({"shape": "ab"}, "shape is 'ab'"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"beta": 0.0}, "beta"),
        ({"network": "small"}, r"height and width divisible by 4, seen \(3, 4\)"),
    ],
)
def test_contradictions_are_refused(mine, arguments, message):
    with pytest.raises(SpecError, match=message):
        VAE(**({"shape": SHAPE, "latent_dim": LATENTS, "network": "mine"} | arguments))


def test_data_that_the_view_cannot_hold(mine):
    data = simulated(10)["x"]
    data[:] = 1.0
    data[3, 1, 2] = np.nan
    declared = fv.FAVAE({"x": VAE(SHAPE, LATENTS, "mine")}, 2)
    with pytest.raises(DataError, match="'x'.*single entries cannot be missing"):
        prepare(declared, {"x": data})
    with pytest.raises(DataError, match=r"'x' has shape \(10, 4, 3\), expected \(rows, 3, 4\)"):
        prepare(declared, {"x": data.swapaxes(1, 2)})
    binary = fv.FAVAE({"x": VAE(SHAPE, LATENTS, "mine", likelihood=Bernoulli())}, 2)
    with pytest.raises(DataError, match="'x'.*range from 2 to 2"):
        prepare(binary, {"x": np.full((2, *SHAPE), 2.0)})


def test_zeros_and_ones_in_bytes_stay_zeros_and_ones(mine):
    binary = fv.FAVAE({"x": VAE(SHAPE, LATENTS, "mine", likelihood=Bernoulli())}, 2)
    for kind in (np.uint8, bool):
        dataset = prepare(binary, {"x": np.ones((2, *SHAPE), kind)})
        values, _ = dataset.views["x"].batch(slice(None), torch.device("cpu"))
        assert (values == 1).all()
