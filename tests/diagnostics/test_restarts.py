import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.diagnostics import restarts
from pyro_favae.errors import SpecError


@pytest.fixture(scope="module")
def model():
    return fv.FAVAE(
        {name: fv.views.Real(size, standardise="none") for name, size in (("left", 30), ("right", 20))}, 4
    )


def test_true_factors_are_found_from_every_start(model, simulation):
    found = restarts(model, simulation.data, 3, epochs=60)
    assert list(found.runs["start"]) == ["pca", "random", "random"]
    assert list(found.runs["seed"]) == [0, 1, 2]
    assert found.runs.loc[found.best, "below"] == 0
    assert found.runs["below"].max() < 5
    assert len(found.factors) == 3
    assert (found.factors["found"] == 1).all()
    assert (found.factors["lowest"] > 0.99).all()
    assert (found.runs["agree"] == 1).all()
    assert [one.elbo for one in found.fits] == list(found.runs["bound"])
    assert "3 are found by all 2 others" in repr(found)


def test_noise_has_factors_of_no_start_but_its_own():
    """Six factors forced on pure noise by a fixed scale of the weights: nothing tells one from another."""
    noise = {"left": np.random.default_rng(0).normal(size=(40, 30))}
    model = fv.FAVAE({"left": fv.views.Real(30)}, 6, weights=fv.priors.Normal(1.0))
    found = restarts(model, noise, 3, epochs=15)
    assert len(found.factors) > 0
    assert found.factors["lowest"].min() < 0.95


def test_what_cannot_be_meant(model, simulation):
    with pytest.raises(SpecError, match="at least 2"):
        restarts(model, simulation.data, 1)
    with pytest.raises(SpecError, match="chosen for each run"):
        restarts(model, simulation.data, 2, start="random")
