"""Pictures of influential factors."""

import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae import plots
from pyro_favae.diagnostics import mutual_information
from pyro_favae.errors import DataError, SpecError
from tests.plots.reading import cells, legend, x_labels, y_labels


@pytest.fixture
def information(rng):
    """Four dimensions: the third says most, then the first."""
    means = rng.normal(size=(200, 4)) * [1, 0.1, 3, 0.2]
    return mutual_information(means, np.full_like(means, 0.5))


@pytest.fixture(scope="module")
def vae(digits):
    view = fv.views.Image((1, 8, 8), 3, network="dense")
    return fv.pretrain(view, digits.images, epochs=1, seed=0, progress=False)


def test_bars_are_sorted_with_two_standard_errors(information):
    ax = plots.influence(information)
    assert x_labels(ax) == ["2", "0", "3", "1"]
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, np.sort(information.nats)[::-1])
    (segments,) = (line.get_segments() for line in ax.collections)
    low, high = np.array(segments)[:, :, 1].T
    np.testing.assert_allclose(high - low, 4 * information.standard_error[information.ranking])
    assert f"{information.total:.1f} nats" in ax.get_title()


def test_the_variance_has_an_axis_of_its_own(information):
    ax = plots.influence(information, most=2)
    assert legend(ax) == ["information, ± 2 standard errors", "variance"]
    (other,) = (axes for axes in ax.figure.axes if axes is not ax)
    np.testing.assert_allclose(other.lines[0].get_ydata(), information.marginal_variance[[2, 0]])
    alone = plots.influence(information, variance=False)
    assert legend(alone) == ["information, ± 2 standard errors"]
    assert alone.figure.axes == [alone]


def test_latent_traversal_moves_one_dimension_of_the_first_row(vae, digits, information):
    ax = plots.latent_traversal(vae, digits.images[5:], [2, 0], information, steps=5, span=2.0)
    assert cells(ax) == (2, 5)
    assert y_labels(ax) == [f"2: {information.nats[2]:.2f} nats", f"0: {information.nats[0]:.2f} nats"]
    assert x_labels(ax) == ["-2", "-1", "0", "+1", "+2"]
    latents, _ = vae.encode(digits.images[5:6])
    latents[0, 0] = 2.0
    shown = np.asarray(ax.images[0].get_array())[9:17, 36:44, 0]
    np.testing.assert_allclose(shown, vae.decode(latents)[0, 0], atol=1e-5)


def test_latent_traversal_of_what_is_not_there(vae, digits):
    assert y_labels(plots.latent_traversal(vae, digits.images, [1])) == ["dimension 1"]
    for wrong in ([3], [-1], []):
        with pytest.raises(SpecError, match="expected some of 0 to 2"):
            plots.latent_traversal(vae, digits.images, wrong)


def test_shares_are_in_order_with_what_they_carry():
    ax = plots.shares([100, 10, 0], {"fit": [1, 2, 5], "bound": [np.nan, 1, 4]}, nats=[9.0, 3.25, 0])
    assert x_labels(ax) == ["100\n9.0", "10\n3.2", "0\n0.0"]
    assert legend(ax) == ["fit", "bound"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [np.nan, 1, 4])
    assert len({line.get_marker() for line in ax.lines}) == 2  # told apart without colour
    with pytest.raises(DataError, match="expected 2 values of each"):
        plots.shares([100, 0], {"fit": [1, 2, 3]})


@pytest.fixture
def head():
    return fv.datasets.eeg.azimuthal_equidistant(
        fv.datasets.eeg.electrode_positions(["Fz", "Cz", "Oz", "T7", "T8", "Fp1", "Fp2"])
    )


def test_a_topography_shows_values_where_electrodes_are(head):
    ax = plots.topography(head[:, 1], head, title="front")
    picture = np.asarray(ax.images[0].get_array().filled(np.nan))
    assert picture[4, 32] > 1 > -1 > picture[60, 32]
    assert ax.images[0].norm.vmax == -ax.images[0].norm.vmin
    np.testing.assert_allclose(ax.lines[0].get_xydata(), head)
    assert ax.get_title() == "front"


def test_a_picture_is_drawn_as_it_is(head):
    picture = fv.datasets.eeg.topographic_maps(head[:, 0], head, 16)
    ax = plots.topography(picture, head, limit=3.0)
    np.testing.assert_array_equal(ax.images[0].get_array().filled(np.nan), picture)
    assert ax.images[0].norm.vmax == 3.0
    plots.topography(np.zeros(7), head)  # nothing to contour
