"""Tables behind a VAE."""

import numpy as np
import pandas as pd
import pytest
import torch

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.fitting import pyro_pair
from pyro_favae.models.likelihoods import Bernoulli, Gaussian
from pyro_favae.models.views import Real, Tabular
from pyro_favae.models.views.base import Moments

FIT = {"batch_size": 64, "learning_rate": 5e-3, "seed": 0, "progress": False, "device": "cpu"}


def simulated(n: int = 400, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A bent table in odd units and a linear one of the same two factors; the table with gaps, and without.

    The table has a third factor to itself.
    """
    rng = np.random.default_rng(seed)
    factors, private = rng.normal(size=(n, 2)), rng.normal(size=(n, 1))
    bent = np.tanh(factors @ rng.normal(size=(2, 9)) + private @ rng.normal(size=(1, 9)))
    whole = 1000 + 30 * bent + 3 * rng.normal(size=(n, 9))
    linear = factors @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(size=(n, 4))
    table = np.where(rng.random(whole.shape) < 0.15, np.nan, whole)
    table[:20], linear[20:40] = np.nan, np.nan
    return {"table": table, "linear": linear}, whole


@pytest.fixture(scope="module")
def fitted():
    data, whole = simulated()
    model = fv.FAVAE({"table": Tabular(9, 3, hidden=(32,)), "linear": Real(4)}, 4)
    learn = {name: values[:300] for name, values in data.items()}
    return fv.fit(model, learn, epochs=40, **FIT | {"seed": 2}), data, whole


def r_squared(predicted: np.ndarray, truth: np.ndarray) -> float:
    return float(1 - np.square(predicted - truth).mean() / truth.var(0).mean())


def test_shapes_and_names():
    view = Tabular(["a", "b", "c"], latent_dim=5)
    assert view.event_shape == (3,)
    assert view.inputs_shape == (6,)
    assert view.column_names == ("a", "b", "c")
    assert view.feature_names == ("0", "1", "2", "3", "4")
    assert view.encoder()(torch.zeros(7, 6)).shape == (7, 10)
    assert view.decoder()(torch.zeros(7, 5)).shape == (7, 3)
    assert view == Tabular(("a", "b", "c"), 5, hidden=[128, 128])


def test_the_layers_are_those_declared():
    view = Tabular(3, 2, hidden=(7, 5))
    sizes = [tuple(p.shape) for p in view.encoder().parameters() if p.dim() == 2]
    assert sizes == [(7, 6), (5, 7), (4, 5)]
    sizes = [tuple(p.shape) for p in view.decoder().parameters() if p.dim() == 2]
    assert sizes == [(5, 2), (7, 5), (3, 7)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"columns": 0}, "at least 1"),
        ({"columns": ["a", "a"]}, "repeat"),
        ({"columns": 2.0}, "number of features"),
        ({"latent_dim": 0}, "latent_dim is 0"),
        ({"hidden": ()}, "hidden"),
        ({"hidden": 64}, "hidden is 64"),
        ({"hidden": (64, 0)}, "hidden is 0"),
        ({"hidden": "64"}, "hidden"),
        ({"beta": 0}, "beta"),
        ({"likelihood": "gaussian"}, "likelihood"),
        ({"standardise": "never"}, "standardise"),
        ({"standardise": "feature", "likelihood": Bernoulli()}, "standardise is 'feature'.*no units"),
        ({"standardise": "view", "likelihood": Gaussian()}, "standardise is 'view'.*link='identity'"),
    ],
)
def test_contradictions_are_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        Tabular(**({"columns": 3, "latent_dim": 2} | arguments))


@pytest.mark.parametrize("likelihood", [Bernoulli(), Gaussian()])
@pytest.mark.parametrize("standardise", [None, "none"])
def test_data_without_units_are_taken_as_they_are(likelihood, standardise):
    view = Tabular(3, 2, likelihood=likelihood, standardise=standardise)
    assert view.units() is None
    assert not view.emission().needs_moments


@pytest.mark.parametrize(
    ("standardise", "scale"), [(None, [2, 4]), ("feature", [2, 4]), ("view", [10**0.5] * 2)]
)
def test_networks_are_spared_the_units(standardise, scale):
    emission = Tabular(2, 2, standardise=standardise).emission()
    moments = ([100, -7], [4, 16], [110, 20], [10, 10])
    emission.calibrate(Moments(*(torch.tensor(v).double() for v in moments)))
    data = torch.tensor([[100.0, -7.0], [104.0, 1.0]]).double()
    seen = emission.inputs(data, None)
    assert seen[0].tolist() == [0, 0, 1, 1]
    assert seen[1].tolist() == pytest.approx([4 / scale[0], 8 / scale[1], 1, 1])
    latents = torch.randn(2, 2)
    expected = torch.tensor([100, -7]) + torch.tensor(scale) * emission.decoded(latents).detach()
    torch.testing.assert_close(emission.decode(latents).detach().float(), expected.float())
    density = torch.distributions.Normal(expected, torch.tensor(scale)).log_prob(data)
    torch.testing.assert_close(emission.log_prob(latents, data).detach(), density, rtol=1e-5, atol=1e-5)


def test_the_encoder_does_not_see_what_stands_in_for_missing_entries():
    view = Tabular(3, 2)
    _, guide = pyro_pair(fv.FAVAE({"x": view}, 2), 4)
    guide.eval()
    known = torch.tensor([[True, False, True]]).expand(4, 3)
    data = torch.randn(4, 3).double()
    moved = torch.where(known, data, 1e6)
    emission, inference = guide.model.emission("x"), guide.inference("x")
    for one, other in zip(
        inference.encode(data, emission, known), inference.encode(moved, emission, known), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0.0, atol=0.0)
    zero = torch.where(known, data, 0.0)
    assert not torch.equal(inference.encode(zero, emission)[0], inference.encode(zero, emission, known)[0])


def test_a_data_frames_columns_are_picked_by_name():
    model = fv.FAVAE({"x": Tabular(["b", "a"], 2)}, 2)
    frame = pd.DataFrame({"a": [1.0, 2.0], "c": [5.0, 6.0], "b": [3.0, np.nan]})
    values, observed = prepare(model, {"x": frame}).views["x"].batch(slice(None), torch.device("cpu"))
    assert values.tolist() == [[3, 1], [0, 2]]
    assert observed.tolist() == [[True, True], [False, True]]


def test_data_that_a_table_cannot_hold():
    model = fv.FAVAE({"x": Tabular(2, 2, likelihood=Bernoulli())}, 2)
    with pytest.raises(DataError, match="'x'.*range from 0 to 3"):
        prepare(model, {"x": [[0.0, 3.0]]})
    with pytest.raises(DataError, match="'x'.*infinite"):
        prepare(model, {"x": [[0.0, np.inf]]})
    with pytest.raises(DataError, match=r"'x' has shape \(1, 3\), expected \(rows, 2\)"):
        prepare(model, {"x": [[0.0, 1.0, 1.0]]})


def test_views_predict_each_other_across_a_bend(fitted):
    fit, data, whole = fitted
    predicted = fit.predict("linear", {"table": data["table"][300:]}).mean
    assert r_squared(predicted, data["linear"][300:]) > 0.4
    predicted = fit.predict("table", {"linear": data["linear"][300:]}).mean
    assert r_squared(predicted, whole[300:]) > 0.3


def test_missing_entries_are_filled_from_the_rest_of_their_row(fitted):
    fit, data, whole = fitted
    table = data["table"][:300]
    filled = fit.impute({name: values[:300] for name, values in data.items()})["table"]
    np.testing.assert_array_equal(filled[~np.isnan(table)], table[~np.isnan(table)])
    missing = np.isnan(table) & ~np.isnan(table).all(1, keepdims=True)
    error = np.square(filled - whole[:300])[missing].mean()
    # the private latents of a row say more than the factors do
    shared = fit.predict("table", {name: values[:300] for name, values in data.items()}, seed=0).mean
    assert error < 0.8 * np.square(shared - whole[:300])[missing].mean()


def test_the_scale_is_learnt_in_standard_deviations(fitted):
    fit, _, whole = fitted
    noise = 3 / whole.std(0).mean()
    scale = float(fit.model.emission("table").likelihood.log_scale.detach().exp())
    assert noise < scale < 5 * noise  # from 1, and still falling


def test_units_change_nothing_but_the_units():
    data, _ = simulated(100)
    results = []
    for scale in (1.0, 1e3):
        model = fv.FAVAE({"table": Tabular(9, 2, hidden=(8,)), "linear": Real(4)}, 2)
        scaled = data | {"table": scale * data["table"]}
        results.append(fv.fit(model, scaled, epochs=2, **FIT))
    one, other = results
    observed = int((~np.isnan(data["table"])).sum())
    assert other.elbo == pytest.approx(one.elbo - observed * np.log(1e3), rel=1e-4)
    given = {"linear": data["linear"][50:]}
    first, second = (run.predict("table", given, seed=0).mean for run in results)
    np.testing.assert_allclose(second, 1e3 * first, rtol=1e-3)


def test_saved_and_loaded_it_predicts_the_same(fitted, tmp_path):
    fit, data, _ = fitted
    fit.save(tmp_path / "fit")
    loaded = fv.load(tmp_path / "fit")
    assert loaded.declaration == fit.declaration
    for name in data:
        for other in data:
            runs = [run.predict(name, {other: data[other][300:]}, seed=0) for run in (fit, loaded)]
            np.testing.assert_array_equal(runs[0].mean, runs[1].mean)


def test_minibatches_of_closed_forms_and_networks():
    """The schedules that do not sweep."""
    data, _ = simulated(150)
    model = fv.FAVAE({"table": Tabular(9, 2, hidden=(8,)), "linear": Real(4)}, 2)
    for schedule in ("stochastic", "closed-form"):
        fit = fv.fit(model, data, epochs=3, schedule=schedule, **FIT)
        assert np.isfinite(fit.history["elbo"]).all()


HOSTILE = {
    "a constant column": lambda x: np.where(np.arange(4) == 1, 0.1, x),
    "constant": lambda x: np.full_like(x, 0.3),
    "a far offset": lambda x: x + 1e9,
    "columns on mixed scales": lambda x: x * [1e-12, 1e-3, 1e5, 1e12],
    "an outlier": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 9, 1e9, x),
    "a column never seen": lambda x: np.where(np.arange(4) == 2, np.nan, x),
    "one entry a row": lambda x: np.where(np.arange(4) == np.arange(len(x))[:, None] % 4, x, np.nan),
    "one entry alone": lambda x: np.where(np.arange(x.size).reshape(x.shape) == 9, x, np.nan),
    "one row": lambda x: np.where(np.arange(len(x))[:, None] == 7, x, np.nan),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tables(case):
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(40, 2))
    table = HOSTILE[case](factors @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(40, 4)))
    data = {"x": table, "y": factors @ rng.normal(size=(2, 3))}
    model = fv.FAVAE({"x": Tabular(4, 2, hidden=(8,)), "y": Real(3)}, 2)
    fit = fv.fit(model, data, epochs=4, **(FIT | {"batch_size": 16}))
    assert np.isfinite(fit.history["elbo"]).all()
    for name in data:
        for other in data:
            predicted = fit.predict(name, {other: data[other]}, n_draws=2, seed=0)
            assert np.isfinite(predicted.mean).all()
            assert np.isfinite(predicted.draws).all()
    assert not any(np.isnan(filled).any() for filled in fit.impute(data).values())


@pytest.mark.filterwarnings("ignore::pyro_favae.errors.SpecWarning")  # a factor for a row
@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_rows(n):
    data, _ = simulated(60)
    data = {name: values[40 : 40 + n] for name, values in data.items()}
    model = fv.FAVAE({"table": Tabular(9, 2, hidden=(8,)), "linear": Real(4)}, 1)
    fit = fv.fit(model, data, epochs=3, **FIT)
    assert np.isfinite(fit.history["elbo"]).all()
    assert np.isfinite(fit.predict("table", data).mean).all()
