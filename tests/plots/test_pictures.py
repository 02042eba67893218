"""Mosaics of images: plain, traversed, edited, generated."""

import numpy as np
import pytest

from pyro_favae import plots
from pyro_favae.errors import DataError, SpecError
from tests.plots.reading import cells, x_labels, y_labels


def cell(ax, row, column, size=8, gap=1):
    picture = np.asarray(ax.images[0].get_array())
    top, left = row * (size + gap), column * (size + gap)
    return picture[top : top + size, left : left + size]


def test_a_list_is_arranged_in_rows(rng):
    images = rng.random((7, 1, 8, 8))
    ax = plots.images(images, columns=3, title="seven")
    assert cells(ax) == (3, 3)
    np.testing.assert_allclose(cell(ax, 1, 2)[..., 0], images[5, 0])
    assert np.all(cell(ax, 2, 1) == 1)  # nothing there
    assert ax.get_title() == "seven"
    assert cells(plots.images(images)) == (3, 3)


def test_a_grid_keeps_its_rows_and_titles(rng):
    grid = rng.random((2, 3, 3, 8, 8))
    ax = plots.images(grid, row_titles=["a", "b"], column_titles=["x", "y", "z"])
    assert cells(ax) == (2, 3)
    np.testing.assert_allclose(cell(ax, 1, 0), np.moveaxis(grid[1, 0], 0, -1))
    assert (y_labels(ax), x_labels(ax)) == (["a", "b"], ["x", "y", "z"])
    assert list(ax.get_xticks()) == [3.5, 12.5, 21.5]


def test_bytes_and_missing_images():
    images = np.array([255, 0], np.uint8)[:, None, None, None] * np.ones((1, 8, 8), np.uint8)
    assert [cell(plots.images(images), 0, i).max() for i in (0, 1)] == [1, 0]
    assert np.all(cell(plots.images(np.full((1, 1, 8, 8), np.nan)), 0, 0) == 0.5)


def test_what_are_no_images(rng):
    with pytest.raises(DataError, match="channels come first"):
        plots.images(rng.random((4, 8, 8, 3)))
    with pytest.raises(DataError, match="row_titles: 1 titles, expected 2"):
        plots.images(rng.random((2, 1, 1, 8, 8)), row_titles=["a"])


def test_traversal_has_a_row_for_each_direction(digits):
    ax = plots.traversal(digits.fit, "digit", factors=[0, 2, 1], steps=5)
    assert cells(ax) == (3, 5)
    assert y_labels(ax) == ["factor 0", "factor 2", "factor 1"]
    assert x_labels(ax) == ["-3", "-1.5", "0", "+1.5", "+3"]
    expected = digits.fit.traverse("digit", factor=2, steps=5)
    np.testing.assert_allclose(cell(ax, 1, 4)[..., 0], expected[4, 0, 0], atol=1e-6)


def test_traversal_of_a_dimension_from_an_image(digits):
    ax = plots.traversal(digits.fit, "digit", digits.images[:1], dimensions=1, steps=3, span=1.0)
    assert cells(ax) == (1, 3)
    assert y_labels(ax) == ["dimension 1"]
    expected = digits.fit.reconstruct("digit", digits.images[:1])
    np.testing.assert_allclose(cell(ax, 0, 1)[..., 0], expected[0, 0], atol=1e-5)


def test_traversal_needs_one_kind_of_direction(digits):
    with pytest.raises(SpecError, match="not both"):
        plots.traversal(digits.fit, "digit", factors=0, dimensions=0)
    with pytest.raises(SpecError, match="does not exist"):
        plots.traversal(digits.fit, "digit", factors=99)
    with pytest.raises(DataError, match="unknown view"):
        plots.traversal(digits.fit, "nonsense")


def test_edits_show_original_reconstruction_and_each_setting(digits):
    images = digits.images[:3]
    ax = plots.edits(digits.fit, "digit", images, {"loop": 1, "even": 0})
    assert cells(ax) == (3, 4)
    assert x_labels(ax) == ["original", "recon-\nstructed", "loop = 1", "even = 0"]
    np.testing.assert_allclose(cell(ax, 2, 0)[..., 0], images[2, 0], atol=1e-6)
    np.testing.assert_allclose(
        cell(ax, 1, 3)[..., 0], digits.fit.edit("digit", images, {"even": 0})[1, 0], atol=1e-5
    )
    long = plots.edits(digits.fit, "digit", images[:1], {"symmetric": 1})
    assert x_labels(long)[-1] == "symmetric\n= 1"
    together = plots.edits(digits.fit, "digit", images[:1], [{"loop": 1, "even": 0}])
    assert x_labels(together)[-1] == "loop = 1\neven = 0"


def test_generated_has_a_row_for_each_given_row(digits):
    ax = plots.generated(digits.fit, "digit", {"attributes": digits.attributes[:3]}, n=4, seed=0)
    assert cells(ax) == (3, 4)
    assert y_labels(ax) == ["even, loop, symmetric", "straight, symmetric", "even"]
    drawn = digits.fit.generate("digit", {"attributes": digits.attributes[:3]}, n=4, seed=0)
    np.testing.assert_allclose(cell(ax, 2, 1)[..., 0], drawn[1, 2, 0], atol=1e-6)


def test_generated_from_nothing_or_from_images(digits):
    ax = plots.generated(digits.fit, "digit", n=6, seed=0)
    assert cells(ax) == (2, 3)
    assert y_labels(ax) == []
    given = {"digit": digits.images[:2]}
    assert y_labels(plots.generated(digits.fit, "digit", given, n=2)) == []
    assert y_labels(plots.generated(digits.fit, "digit", given, n=2, titles=["a", "b"])) == ["a", "b"]


def test_reconstructions_stand_below_the_originals(digits):
    images = digits.images[:4].copy()
    images[3] = np.nan
    ax = plots.reconstructions(digits.fit, "digit", images)
    assert cells(ax) == (2, 4)
    assert y_labels(ax) == ["original", "reconstructed"]
    np.testing.assert_allclose(cell(ax, 0, 1)[..., 0], images[1, 0], atol=1e-6)
    np.testing.assert_allclose(
        cell(ax, 1, 1)[..., 0], digits.fit.reconstruct("digit", images)[1, 0], atol=1e-5
    )
    assert np.all(cell(ax, 0, 3) == 0.5)  # the row lacks the view


@pytest.mark.parametrize("space", ["private", "shared"])
def test_interpolation_goes_from_the_start_to_the_end(digits, space):
    start, end = digits.images[:2], digits.images[2:4]
    ax = plots.interpolation(digits.fit, "digit", start, end, steps=3, space=space)
    assert cells(ax) == (2, 5)
    assert x_labels(ax) == ["start", "0 %", "50 %", "100 %", "end"]
    np.testing.assert_allclose(cell(ax, 1, 0)[..., 0], start[1, 0], atol=1e-6)
    np.testing.assert_allclose(cell(ax, 1, 4)[..., 0], end[1, 0], atol=1e-6)
    steps = digits.fit.interpolate("digit", start, end, 3, space)
    np.testing.assert_allclose(cell(ax, 1, 2)[..., 0], steps[1, 1, 0], atol=1e-5)
    assert space in ax.get_title()


@pytest.mark.parametrize(
    "draw",
    [
        lambda fit, images: plots.reconstructions(fit, "nonsense", images),
        lambda fit, images: plots.interpolation(fit, "nonsense", images, images),
        lambda fit, images: plots.edits(fit, "nonsense", images, {"loop": 1}),
    ],
)
def test_an_unknown_view_has_no_images(digits, draw):
    with pytest.raises(DataError, match="unknown view 'nonsense'"):
        draw(digits.fit, digits.images[:1])
