"""What every picture has in common."""

import numpy as np
import pytest
from matplotlib import pyplot

import pyro_favae as fv
from pyro_favae import plots
from pyro_favae.diagnostics import influence
from tests.diagnostics import simulated
from tests.plots.judged import psis_of, table_of_coverage, uniform_ranks

CORNERS = [[0, 0], [0, 1], [1, 0], [1, 1]]
#: one call of every picture, on axes
DRAWINGS = {
    "bound": lambda t, ax: plots.bound(t.real, ax=ax),
    "weights": lambda t, ax: plots.weights(t.real, ax=ax),
    "variance_explained": lambda t, ax: plots.variance_explained(t.real, t.data, ax=ax),
    "sharing": lambda t, ax: plots.sharing(t.real, ax=ax),
    "factors": lambda t, ax: plots.factors(t.real, t.data, ax=ax),
    "calibration": lambda t, ax: plots.calibration([0.2, 0.8], [0, 1], ax=ax),
    "images": lambda t, ax: plots.images(t.images[:3], title="three", ax=ax),
    "traversal": lambda t, ax: plots.traversal(t.digits, "digit", dimensions=0, ax=ax),
    "edits": lambda t, ax: plots.edits(t.digits, "digit", t.images[:1], {"loop": 1}, ax=ax),
    "generated": lambda t, ax: plots.generated(t.digits, "digit", n=2, ax=ax),
    "reconstructions": lambda t, ax: plots.reconstructions(t.digits, "digit", t.images[:2], ax=ax),
    "interpolation": lambda t, ax: plots.interpolation(t.digits, "digit", t.images[:1], t.images[1:2], ax=ax),
    "psis": lambda t, ax: plots.psis(psis_of(np.array([0.1, 0.9, 0.3])), ax=ax),
    "rank_histogram": lambda t, ax: plots.rank_histogram(uniform_ranks(), ax=ax),
    "coverage": lambda t, ax: plots.coverage(table_of_coverage(), ax=ax),
    "top_features": lambda t, ax: plots.top_features(t.real, "left", 0, ax=ax),
    "data_overview": lambda t, ax: plots.data_overview(t.real, t.data, ax=ax),
    "influence": lambda t, ax: plots.influence(influence(t.digits, "digit", t.images), ax=ax),
    "latent_traversal": lambda t, ax: plots.latent_traversal(
        t.digits.pretrained("digit"), t.images, [0], ax=ax
    ),
    "shares": lambda t, ax: plots.shares([100, 10, 0], {"error": [1, 2, 5]}, ax=ax),
    "topography": lambda t, ax: plots.topography([0, 1, 2, 3], CORNERS, title="head", ax=ax),
}


def test_no_picture_is_forgotten():
    assert set(DRAWINGS) == set(plots.__all__)


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_draws_on_the_axes_it_is_given(name, things):
    figure, ax = pyplot.subplots(layout="constrained")
    assert DRAWINGS[name](things, ax) is ax
    assert ax.has_data()
    assert ax.get_title()
    assert pyplot.get_fignums() == [figure.number]


ODD = "price in $ of a <script>alert('long')</script> thing, $\\bad{"


@pytest.fixture(scope="module")
def odd(rng_of_module):
    """One view, one factor, names that no one should give."""
    data = {ODD: rng_of_module.normal(size=(30, 1)) + rng_of_module.normal(size=(30, 60))}
    view = fv.views.Real([f"{ODD}{i}" for i in range(60)])
    return fv.fit(fv.FAVAE({ODD: view}, 1), data, epochs=5, seed=0, progress=False), data


@pytest.mark.parametrize(
    "name", ["bound", "weights", "variance_explained", "sharing", "factors", "data_overview"]
)
def test_names_are_drawn_as_they_are_and_cut(name, odd):
    fit, data = odd
    takes_data = name in ("variance_explained", "factors", "data_overview")
    ax = getattr(plots, name)(fit, data) if takes_data else getattr(plots, name)(fit)
    ax.figure.canvas.draw()
    written = [text.get_text() for text in ax.figure.findobj(pyplot.Text)]
    assert not any(ODD in text for text in written)
    assert all(text.get_window_extent().width < 400 for text in ax.get_yticklabels())


@pytest.mark.parametrize("name", ["bound", "weights", "sharing"])
def test_a_fit_without_active_factors_is_drawn(name, rng):
    noise = simulated.fit({"noise": rng.normal(size=(200, 40))}, 3)
    assert getattr(plots, name)(noise).has_data()
