import numpy as np
import pytest

from pyro_favae.errors import DataError, SpecError


def test_reconstructions_beat_the_mean_image(digits):
    reconstructed = digits.fit.reconstruct("digit", digits.images)
    error = np.square(reconstructed - digits.images).sum()
    assert error < 0.6 * np.square(digits.images - digits.images.mean(0)).sum()


def test_an_edit_that_changes_nothing_reconstructs(digits):
    images = digits.images[:20]
    seen = np.round(digits.fit.predict("attributes", {"digit": images}).mean[:, 0])
    edited = np.concatenate(
        [
            digits.fit.edit("digit", image[None], {"even": value})
            for image, value in zip(images, seen, strict=True)
        ]
    )
    np.testing.assert_allclose(edited, digits.fit.reconstruct("digit", images), atol=1e-5)


def test_an_edited_attribute_is_seen_in_the_image(digits):
    """Where it is switched; where it already is as wished, the image stays as it was."""
    before = digits.fit.predict("attributes", {"digit": digits.images}).mean[:, 2]
    for value in (0, 1):
        edited = digits.fit.edit("digit", digits.images, {"loop": value})
        moved = digits.fit.predict("attributes", {"digit": edited}).mean[:, 2] - before
        switched = np.round(before) != value
        assert moved[switched].mean() * (1 if value else -1) > 0.3
        kept = digits.fit.reconstruct("digit", digits.images[~switched])
        np.testing.assert_allclose(edited[~switched], kept, atol=1e-5)


def test_edits_of_a_real_view_keep_what_is_private(linear):
    rows = linear.test["table"][:5]
    edited = linear.fit.edit("table", rows, {"first": 4.0, "second": 0.0, "third": 0.0})
    assert np.abs(edited - rows).max() > 1
    seen = linear.fit.predict("named", {"table": rows}).mean
    same = linear.fit.edit("table", rows[:1], dict(zip(("first", "second", "third"), seen[0], strict=True)))
    np.testing.assert_allclose(same, rows[:1])


def test_unknown_attributes_are_named(digits):
    with pytest.raises(DataError, match="'wings'"):
        digits.fit.edit("digit", digits.images[:1], {"wings": 1})


@pytest.mark.parametrize("space", ["private", "shared"])
def test_interpolation_starts_at_the_reconstruction(digits, space):
    start, end = digits.images[:2], digits.images[2:4]
    strip = digits.fit.interpolate("digit", start, end, steps=5, space=space)
    assert strip.shape == (5, 2, 1, 8, 8)
    np.testing.assert_allclose(strip[0], digits.fit.reconstruct("digit", start), atol=1e-5)
    if space == "private":
        np.testing.assert_allclose(strip[-1], digits.fit.reconstruct("digit", end), atol=1e-5)


def test_interpolation_needs_a_known_space(digits):
    with pytest.raises(SpecError, match="'outer'"):
        digits.fit.interpolate("digit", digits.images[:1], digits.images[:1], space="outer")


def test_a_traversal_passes_through_the_row_itself(digits):
    strongest = int(np.abs(digits.fit.weights("digit")).max(0).argmax())
    strip = digits.fit.traverse("digit", digits.images[:2], factor=strongest, steps=5)
    assert strip.shape == (5, 2, 1, 8, 8)
    np.testing.assert_allclose(strip[2], digits.fit.reconstruct("digit", digits.images[:2]), atol=1e-5)
    assert np.abs(strip[0] - strip[4]).max() > 0.1


def test_a_factor_that_is_off_moves_nothing(linear):
    weights = np.abs(linear.fit.weights("table")).max(0)
    off = int(weights.argmin())
    strip = linear.fit.traverse("table", linear.test["table"][:1], factor=off, steps=2)
    assert np.abs(strip[1] - strip[0]).max() < 0.05 * np.abs(linear.test["table"]).max()


@pytest.mark.parametrize("wrong", [{}, {"factor": 1, "dimension": 1}, {"factor": 99}, {"dimension": -1}])
def test_a_traversal_needs_one_known_direction(digits, wrong):
    with pytest.raises(SpecError, match="traverse"):
        digits.fit.traverse("digit", **wrong)
