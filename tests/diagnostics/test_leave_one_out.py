import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.diagnostics import leave_one_view_out
from pyro_favae.errors import SpecError
from tests.diagnostics import simulated


@pytest.fixture(scope="module")
def kinds():
    """Five views of the same two factors and one, ``alone``, of nothing but noise."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(400, 2))
    logits = 3 * factors @ rng.normal(size=(2, 4))
    mean = factors @ rng.normal(size=(2, 2)) + 0.3 * rng.normal(size=(400, 2))
    data = {
        "table": 50 + 20 * (factors @ rng.normal(size=(2, 5)) + 0.5 * rng.normal(size=(400, 5))),
        "labels": (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float),
        "species": (3 * factors @ rng.normal(size=(2, 3)) + rng.gumbel(size=(400, 3)))
        .argmax(1)
        .astype(float),
        "embedding": np.hstack([mean, np.full((400, 2), 0.01)]),
        "alone": rng.normal(size=(400, 3)),
    }
    data["table"][:40] = np.nan
    data["table"][50, 2] = np.nan
    data["labels"][100:120] = np.nan
    model = fv.FAVAE(
        {
            "table": fv.views.Real(5),
            "labels": fv.views.Bernoulli(4),
            "species": fv.views.Categorical(3),
            "embedding": fv.views.Frozen(2, variances=True),
            "alone": fv.views.Real(3),
        },
        4,
    )
    return fv.fit(model, data, seed=0, progress=False, device="cpu"), data


def test_views_that_share_factors_are_told_by_the_others(kinds):
    frame = leave_one_view_out(*kinds)
    assert list(frame.index) == ["table", "labels", "species", "embedding", "alone"]
    assert list(frame["measure"]) == ["R2", "AUC", "accuracy", "R2", "R2"]
    assert list(frame["rows"]) == [360, 380, 400, 400, 400]
    shared = frame.drop(index="alone")
    assert (shared["score"] > shared["marginal_score"] + 0.1).all()
    assert (shared["log_density"] > shared["marginal_log_density"] + 0.05).all()


def test_a_view_of_nothing_but_noise_is_told_by_its_marginal_alone(kinds):
    row = leave_one_view_out(*kinds).loc["alone"]
    assert row["log_density"] == pytest.approx(row["marginal_log_density"], abs=0.01)
    assert row["score"] == pytest.approx(0, abs=0.01)


def test_marginals_are_means_and_frequencies(kinds):
    fit, data = kinds
    frame = leave_one_view_out(fit, data)
    assert frame.loc["table", "marginal_score"] == pytest.approx(0, abs=0.01)
    assert frame.loc["labels", "marginal_score"] == 0.5
    frequency = np.bincount(data["species"].astype(int)).max() / 400
    assert frame.loc["species", "marginal_score"] == pytest.approx(frequency)
    observed = data["table"][40:]
    marginal = -0.5 * np.log(2 * np.pi * np.e * np.nanvar(observed, 0)).mean()
    assert frame.loc["table", "marginal_log_density"] == pytest.approx(marginal, abs=0.05)


def test_it_is_the_mean_log_density_given_the_other_views(kinds):
    fit, data = kinds
    others = {name: values for name, values in data.items() if name != "labels"}
    density = np.nanmean(fit.log_density("labels", data["labels"], others))
    assert leave_one_view_out(fit, data).loc["labels", "log_density"] == pytest.approx(density)


def test_an_attribute_that_is_always_the_same_has_no_area(kinds):
    fit, data = kinds
    constant = data | {"labels": np.ones((400, 4))}
    assert np.isnan(leave_one_view_out(fit, constant).loc["labels", "score"])


def test_images_are_told_by_the_variance_explained():
    loaded = fv.datasets.load_digits()
    images, attributes = loaded.images[:200], fv.datasets.digit_attributes(loaded.labels[:200])
    views = {"digit": fv.views.Image((1, 8, 8), 4), "attributes": fv.views.Bernoulli(attributes.shape[1])}
    data = {"digit": images, "attributes": attributes.to_numpy(float)}
    fit = fv.fit(
        fv.FAVAE(views, 6),
        data,
        epochs=25,
        batch_size=25,
        learning_rate=3e-3,
        seed=0,
        progress=False,
        device="cpu",
    )
    row = leave_one_view_out(fit, {name: values[:80] for name, values in data.items()}).loc["digit"]
    assert row["measure"] == "R2"
    assert row["score"] > row["marginal_score"]
    assert row["log_density"] > row["marginal_log_density"]


def test_a_single_view_has_no_others(simulation):
    fit = simulated.fit({"left": simulation.data["left"]}, 3)
    with pytest.raises(SpecError, match="'left' is the only view"):
        leave_one_view_out(fit, simulation.data)
