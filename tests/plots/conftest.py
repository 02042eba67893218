from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot

import pyro_favae as fv
from tests.diagnostics import simulated

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _drawn_and_closed():
    """Every figure can be laid out, and none is left open; settings stay as they were."""
    before = dict(matplotlib.rcParams)
    yield
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()
    pyplot.close("all")
    assert dict(matplotlib.rcParams) == before


@pytest.fixture(scope="session")
def simulation():
    return simulated.simulate(200)


@pytest.fixture(scope="session")
def real(simulation):
    """A fit of two real views: one shared factor, one private to each, three off."""
    return simulated.fit(simulation.data)


@pytest.fixture(scope="session")
def digits():
    """A hasty fit of images and attributes: ``fit``, ``images``, ``attributes``, ``labels``."""
    digits = fv.datasets.load_digits()
    images, labels = digits.images[:200], digits.labels[:200]
    attributes = fv.datasets.digit_attributes(labels)
    model = fv.FAVAE(
        {
            "digit": fv.views.Image((1, 8, 8), 4, beta=4.0),
            "attributes": fv.views.Bernoulli(tuple(attributes.columns)),
        },
        5,
        factors=fv.priors.Mixture(4),
    )
    data = {"digit": images, "attributes": attributes.to_numpy()}
    fit = fv.fit(model, data, epochs=3, batch_size=50, seed=0, progress=False)
    return SimpleNamespace(fit=fit, images=images, attributes=np.asarray(attributes), labels=labels)


@pytest.fixture(scope="session")
def things(real, simulation, digits):
    """What pictures are drawn of."""
    return SimpleNamespace(real=real, data=simulation.data, digits=digits.fit, images=digits.images)


@pytest.fixture(scope="module")
def rng_of_module():
    return np.random.default_rng(0)
