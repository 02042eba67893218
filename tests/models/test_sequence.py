"""Sequences behind a VAE."""

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.fitting import pyro_pair
from pyro_favae.models.likelihoods import Bernoulli, Gaussian
from pyro_favae.models.views import Real, Sequence

FIT = {
    "batch_size": 64,
    "learning_rate": 1e-2,
    "tolerance": 1e-12,
    "seed": 0,
    "progress": False,
    "device": "cpu",
}
CPU = torch.device("cpu")
STEPS = 10


def simulated(n: int = 400) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Noisy waves whose amplitudes are two factors, cut at different lengths, with gaps; a table of the factors."""
    rng = np.random.default_rng(0)
    factors, time = rng.normal(size=(n, 2)), np.arange(STEPS)
    wave = factors[:, :1] * np.sin(time / 2) + factors[:, 1:] * np.cos(time / 2)
    ramp = factors[:, :1] * time / STEPS
    whole = 500 + 20 * np.stack([wave, ramp], 2) + 2 * rng.normal(size=(n, STEPS, 2))
    waves = np.where(rng.random(whole.shape) < 0.1, np.nan, whole)
    waves[np.arange(STEPS) >= rng.integers(4, STEPS + 1, size=(n, 1))] = np.nan
    table = factors @ rng.normal(size=(2, 4)) + 0.2 * rng.normal(size=(n, 4))
    waves[:20], table[20:40] = np.nan, np.nan
    return {"waves": waves, "table": table}, whole


@pytest.fixture(scope="module", params=["gru", "lstm"])
def fitted(request):
    data, whole = simulated()
    model = fv.FAVAE({"waves": Sequence(STEPS, 2, 3, request.param, hidden=24), "table": Real(4)}, 3)
    learn = {name: values[:300] for name, values in data.items()}
    return fv.fit(model, learn, epochs=50, **FIT), data, whole


def r_squared(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(1 - np.square(predicted - truth).mean() / truth.var(0).mean())


class TwoOutputs(Gaussian):
    """A likelihood of which a decoder gives two numbers an entry."""

    group = ""

    @property
    def outputs(self) -> int:
        return 2


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_shapes(cell):
    view = Sequence(7, 3, latent_dim=5, cell=cell, hidden=11)
    assert view.event_shape == (7, 3)
    assert view.inputs_shape == (7, 6)
    assert view.encoder()(torch.ones(4, 7, 6)).shape == (4, 10)
    assert view.decoder()(torch.zeros(4, 5)).shape == (4, 7, 3)
    two = Sequence(7, 3, 5, cell, likelihood=TwoOutputs(link="identity"))
    assert two.decoder()(torch.zeros(4, 5)).shape == (4, 2, 7, 3)
    assert view.feature_names == ("0", "1", "2", "3", "4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length": 0}, "length is 0"),
        ({"features": 1.5}, "features is 1.5"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"hidden": 0}, "hidden is 0"),
        ({"cell": "rnn"}, "cell is 'rnn', expected one of gru, lstm"),
        ({"cell": None}, "cell is None"),
        ({"beta": -1.0}, "beta"),
        ({"standardise": "feature", "likelihood": Bernoulli()}, "standardise is 'feature'.*no units"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        Sequence(**({"length": 5, "features": 2, "latent_dim": 2} | arguments))


def encoded(view: Sequence, data: np.ndarray, state: dict | None = None) -> tuple[list[torch.Tensor], dict]:
    """Moments of q(z) of sequences with gaps, under given weights of the encoder."""
    model = fv.FAVAE({"x": view}, 2)
    torch.manual_seed(0)
    _, guide = pyro_pair(model, len(data))
    guide.eval()
    inference = guide.inference("x")
    if state is not None:
        inference.load_state_dict(state)
    values, observed = prepare(model, {"x": data}).views["x"].batch(slice(None), CPU)
    with torch.no_grad():
        moments = inference.encode(values, guide.model.emission("x"), observed)
    return list(moments), inference.state_dict()


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_padding_does_not_change_what_is_encoded(cell):
    data = np.random.default_rng(0).normal(size=(6, 8, 2))
    data[1, 3:], data[2, :2], data[3, 5], data[4, 6, 0] = np.nan, np.nan, np.nan, np.nan
    moments, state = encoded(Sequence(8, 2, 3, cell), data)
    padded = np.concatenate([data, np.full((6, 5, 2), np.nan)], 1)
    again, _ = encoded(Sequence(13, 2, 3, cell), padded, state)
    for one, other in zip(moments, again, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
    alone, _ = encoded(Sequence(8, 2, 3, cell), data[1:2], state)  # its neighbours are longer
    torch.testing.assert_close(alone[0], moments[0][1:2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_every_observed_step_is_seen_and_no_other(cell):
    view = Sequence(5, 1, 2, cell)
    encoder = view.encoder()
    inputs = torch.randn(1, 5, 2)
    inputs[..., 1] = torch.tensor([1.0, 1, 0, 1, 0])
    inputs[..., 0] *= inputs[..., 1]
    inputs.requires_grad_()
    encoder(inputs).square().sum().backward()
    moved = inputs.grad[0].abs().sum(1) > 0
    assert moved.tolist() == [True, True, True, True, False]  # of the gap, that it is one


def test_lists_of_sequences_are_padded():
    view = Sequence(4, 2, 2)
    rows = [np.ones((4, 2)), np.array([[1, 2], [3, 4]]), np.zeros((0, 2)), np.full((1, 2), np.nan)]
    padded = view.collected("x", rows)
    assert padded.shape == (4, 4, 2)
    assert (padded[0] == 1).all()
    np.testing.assert_array_equal(padded[1], [[1, 2], [3, 4], [np.nan] * 2, [np.nan] * 2])
    assert np.isnan(padded[2:]).all()
    single = Sequence(3, 1, 2).collected("x", [np.array([1.0, 2.0]), np.ones((3, 1))])
    np.testing.assert_array_equal(single[..., 0], [[1, 2, np.nan], [1, 1, 1]])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([np.ones((2, 2)), np.ones((5, 2))], r"'x': sequence 1 has 5 steps, expected at most 4.*length=5"),
        ([np.ones((2, 3))], r"'x': sequence 0 has shape \(2, 3\), expected \(steps, 2\)"),
        ([np.ones(2)], r"'x': sequence 0 has shape \(2,\)"),
        ([np.ones((1, 2, 2))], r"'x': sequence 0 has shape \(1, 2, 2\)"),
    ],
)
def test_lists_that_are_no_sequences(rows, message):
    with pytest.raises(DataError, match=message):
        Sequence(4, 2, 2).collected("x", rows)


def test_views_predict_each_other(fitted):
    fit, data, whole = fitted
    predicted = fit.predict("table", {"waves": data["waves"][300:]}).mean
    assert r_squared(predicted, data["table"][300:]) > 0.5
    predicted = fit.predict("waves", {"table": data["table"][300:]}).mean
    assert predicted.shape == (100, STEPS, 2)
    assert r_squared(predicted, whole[300:]) > 0.5


def test_the_rest_of_a_sequence_is_told_from_its_start(fitted):
    fit, data, whole = fitted
    waves = data["waves"][:300]
    filled = fit.impute({name: values[:300] for name, values in data.items()})["waves"]
    np.testing.assert_array_equal(filled[~np.isnan(waves)], waves[~np.isnan(waves)])
    missing = np.isnan(waves) & ~np.isnan(waves).all((1, 2), keepdims=True)
    assert np.square(filled - whole[:300])[missing].mean() < 0.4 * whole.var(0).mean()


def test_draws_have_the_shape_of_the_data(fitted):
    fit, data, _ = fitted
    drawn = fit.generate("waves", {"table": data["table"][300:303]}, n=4, seed=0)
    assert drawn.shape == (4, 3, STEPS, 2)
    assert np.isfinite(drawn).all()
    assert fit.reconstruct("waves", data["waves"][300:303]).shape == (3, STEPS, 2)


def test_saved_and_loaded_it_predicts_the_same(fitted, tmp_path):
    fit, data, _ = fitted
    fit.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit")
    assert loaded.declaration == fit.declaration
    for name in data:
        runs = [run.predict(name, {name: data[name][300:]}, seed=0) for run in (fit, loaded)]
        np.testing.assert_array_equal(runs[0].mean, runs[1].mean)
        np.testing.assert_array_equal(runs[0].sd, runs[1].sd)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize(
    "case", ["one step", "last step alone", "a feature never seen", "constant", "a far offset", "one row"]
)
def test_hostile_sequences(case, cell):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(30, 5, 2))
    if case == "one step":
        data[:, 1:] = np.nan
    elif case == "last step alone":
        data[:, :-1] = np.nan
    elif case == "a feature never seen":
        data[..., 1] = np.nan
    elif case == "constant":
        data[:] = 0.3
    elif case == "a far offset":
        data += 1e9
    else:
        data[1:] = np.nan
    given = {"x": data, "y": rng.normal(size=(30, 3))}
    model = fv.FAVAE({"x": Sequence(5, 2, 2, cell, hidden=8), "y": Real(3)}, 2)
    fit = fv.fit(model, given, epochs=3, **(FIT | {"batch_size": 10}))
    assert np.isfinite(fit.history["elbo"]).all()
    for name in given:
        for other in given:
            assert np.isfinite(fit.predict(name, {other: given[other]}, seed=0).mean).all()


def test_binary_events():
    rng = np.random.default_rng(0)
    events = (rng.random((60, 6, 2)) < 0.3).astype(float)
    events[rng.random(events.shape) < 0.2] = np.nan
    model = fv.FAVAE({"x": Sequence(6, 2, 2, hidden=8, likelihood=Bernoulli()), "y": Real(2)}, 2)
    fit = fv.fit(model, {"x": events, "y": rng.normal(size=(60, 2))}, epochs=3, **FIT)
    probability = fit.predict("x", {"x": events}).mean
    assert ((probability > 0) & (probability < 1)).all()
