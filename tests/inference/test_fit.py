"""The loop: how it starts, ends, repeats and reports."""

import logging

import numpy as np
import pytest
import torch

from pyro_favae.errors import DataError, NumericalError, SpecError
from pyro_favae.fitting import fit
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import Mixture
from pyro_favae.models.views import Bernoulli, Image, Real

QUIET = {"seed": 0, "device": "cpu", "progress": False}
MODEL = FAVAE({"a": Real(4), "b": Real(3)}, n_factors=3)


def data(n: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, 2))
    return {
        name: latent @ rng.normal(size=(2, d)) + 0.3 * rng.normal(size=(n, d))
        for name, d in (("a", 4), ("b", 3))
    }


def images(n: int = 40) -> np.ndarray:
    return np.random.default_rng(1).random(size=(n, 1, 4, 4)).astype(np.float32)


IMAGES = FAVAE({"x": Image((1, 4, 4), latent_dim=2, network="dense"), "a": Real(4)}, n_factors=2)


def given(model: FAVAE) -> dict[str, np.ndarray]:
    everything = {"x": images(), **data()}
    return {name: everything[name] for name in model.views}


def test_tolerance_and_epochs_end_a_fit():
    assert fit(MODEL, data(), epochs=200, tolerance=1e-4, **QUIET).ended_by == "tolerance"
    result = fit(MODEL, data(), epochs=3, tolerance=1e-12, **QUIET)
    assert result.ended_by == "epochs"
    assert len(result.history) == 3


def test_the_history_sums_to_the_bound():
    history = fit(MODEL, data(), epochs=3, tolerance=1e-12, **QUIET).history
    terms = [c for c in history if c == "factors" or c.startswith(("a.", "b."))]
    assert len(terms) == 9
    np.testing.assert_allclose(history[terms].sum(axis=1), history["elbo"], rtol=1e-12)
    np.testing.assert_array_equal(history["objective"], history["elbo"])


def test_a_callback_sees_each_pass_and_ends_the_fit():
    seen = []
    result = fit(MODEL, data(), callbacks=[lambda record: seen.append(record) or len(seen) == 2], **QUIET)
    assert result.ended_by == "callback"
    assert [record["elbo"] for record in seen] == result.history["elbo"].tolist()


@pytest.mark.parametrize("model", [MODEL, IMAGES], ids=["closed form", "networks"])
def test_an_interrupted_fit_is_kept(model):
    def interrupt(record: dict) -> None:
        if record["seconds"] >= 0 and len(seen) == 1:
            raise KeyboardInterrupt
        seen.append(record)

    seen = []
    result = fit(model, given(model), callbacks=[interrupt], **QUIET)
    assert result.ended_by == "interrupted"
    assert len(result.history) == 2
    assert not result.guide.training


def test_a_fit_interrupted_before_its_first_pass_has_a_history(monkeypatch):
    def interrupt(*_, **__) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pyro_favae.inference.beginning.calibrate", interrupt)
    result = fit(MODEL, data(), **QUIET)
    assert result.ended_by == "interrupted"
    assert len(result.history) == 1


@pytest.mark.parametrize("model", [MODEL, IMAGES], ids=["closed form", "networks"])
def test_seeds_repeat_and_leave_the_users_generator_alone(model):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    runs = [fit(model, given(model), epochs=3, tolerance=1e-12, batch_size=16, **QUIET) for _ in range(2)]
    assert (torch.rand(3) == expected).all()
    assert runs[0].history["elbo"].tolist() == runs[1].history["elbo"].tolist()
    other = fit(model, given(model), epochs=3, tolerance=1e-12, batch_size=16, **(QUIET | {"seed": 1}))
    assert other.history["elbo"].tolist() != runs[0].history["elbo"].tolist()


@pytest.mark.parametrize("missing", [0.0, 0.3], ids=["complete", "missing entries"])
def test_the_chunk_size_does_not_change_a_closed_form_fit(missing, monkeypatch):
    values = data()
    values["a"][np.random.default_rng(1).random(values["a"].shape) < missing] = np.nan
    whole = fit(MODEL, values, epochs=5, tolerance=1e-12, **QUIET).history["elbo"]
    monkeypatch.setattr("pyro_favae.inference.passes.Passes.chunk", 7)
    parts = fit(MODEL, values, epochs=5, tolerance=1e-12, **QUIET).history["elbo"]
    np.testing.assert_allclose(parts, whole, rtol=1e-9)


@pytest.mark.parametrize("labels", [False, True], ids=["real", "binary"])
def test_minibatches_alone_come_close_to_exact_sweeps(labels):
    model, values = MODEL, data(120)
    if labels:
        model = FAVAE({"a": Real(4), "b": Bernoulli(3)}, n_factors=3)
        values["b"] = (values["b"] > 0).astype(float)
    exact = fit(model, values, epochs=30, tolerance=1e-7, **QUIET).elbo
    options = {"epochs": 30, "batch_size": 16, "tolerance": 1e-12, "schedule": "stochastic"}
    result = fit(model, values, **options, **QUIET)
    assert result.history["stage"].iloc[-1] == "settle"
    assert result.elbo == pytest.approx(exact, rel=5e-3)


def test_networks_are_left_as_they_are_by_the_closed_form_schedule():
    results = [fit(IMAGES, given(IMAGES), epochs=n, schedule="closed-form", **QUIET) for n in (1, 3)]
    states = [dict(result.guide.inference("x").named_parameters()) for result in results]
    for name, value in states[0].items():
        assert (value == states[1][name]).all()
    trained = fit(IMAGES, given(IMAGES), epochs=1, **QUIET)
    assert any((value != states[0][n]).any() for n, value in trained.guide.inference("x").named_parameters())


def test_one_draw_of_a_likelihood_does_not_end_the_closed_form_schedule(monkeypatch):
    """The bound of an image view is noisy; the closed forms are judged by what is theirs."""
    values = {"x": images(100), "a": data(100)["a"]}

    def closed() -> float:
        history = fit(IMAGES, values, epochs=60, schedule="closed-form", **QUIET).history
        return float((history["elbo"] - history["x.likelihood"]).iloc[-1])

    ended = closed()
    monkeypatch.setattr("pyro_favae.inference.fit.Run._converged", lambda self, window: False)
    assert ended == pytest.approx(closed(), rel=1e-3)


@pytest.mark.parametrize(
    "views",
    [
        {"a": Real(4)},
        {"a": Real(4), "l": Bernoulli(2)},
        {"x": Image((1, 4, 4), latent_dim=2, network="dense")},
    ],
    ids=["real", "binary", "image"],
)
def test_a_mixture_starts_with_its_components_apart(views):
    everything = given(IMAGES) | {"l": np.random.default_rng(0).integers(0, 2, size=(40, 2))}
    model = FAVAE(views, n_factors=2, factors=Mixture(3))
    result = fit(model, {name: everything[name] for name in views}, epochs=2, batch_size=16, **QUIET)
    means = result.guide.posterior.factors.means
    assert torch.isfinite(means).all()
    assert torch.pdist(means).min() > 1e-6


@pytest.mark.filterwarnings("ignore::pyro_favae.errors.SpecWarning")
@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_rows_than_factors_or_components(n):
    model = FAVAE({"a": Real(4), "b": Real(3)}, n_factors=6, factors=Mixture(8))
    history = fit(model, data(n), epochs=5, **QUIET).history
    assert np.isfinite(history["elbo"]).all()


def test_factors_that_fade_are_logged(caplog):
    with caplog.at_level(logging.INFO, logger="pyro_favae"):
        fit(FAVAE({"a": Real(4)}, n_factors=4), {"a": data()["a"]}, epochs=3, **QUIET)
    assert all(record.name == "pyro_favae" for record in caplog.records)


def test_a_diverged_fit_says_so():
    with pytest.raises(NumericalError, match=r"learning.rate"):
        fit(IMAGES, given(IMAGES), epochs=20, batch_size=8, learning_rate=1e30, **QUIET)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([[1.0, 2.0], [2.0, 1.0]], "weights is not positive definite: eigenvalues from -1 to 3"),
        ([[1.0, float("nan")], [float("nan"), 1.0]], "entries that are not finite"),
    ],
)
def test_a_broken_precision_names_its_owner_and_likely_cause(matrix, words):
    matrices = torch.stack([torch.eye(2), torch.tensor(matrix)]).double()
    with pytest.raises(NumericalError, match=words) as caught:
        cholesky(matrices, "weights")
    assert "standardise" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"schedule": "fast"}, "schedule"),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(SpecError, match=message):
        fit(MODEL, data(), **(QUIET | change))


def test_what_is_fitted_must_be_a_declaration():
    with pytest.raises(SpecError, match="declaration"):
        fit(MODEL.views["a"], data(), **QUIET)
    with pytest.raises(DataError, match="unknown view 'c'"):
        fit(MODEL, {**data(), "c": 3}, **QUIET)


@pytest.mark.parametrize("device", ["warp", "xla"])
def test_a_device_that_is_not_there_is_named(device):
    with pytest.raises(SpecError, match=f"device '{device}'"):
        fit(MODEL, data(), device=device, progress=False)
