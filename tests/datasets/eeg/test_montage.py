"""Electrodes on the head, and the head flattened."""

import numpy as np
import pytest

from pyro_favae.datasets.eeg import azimuthal_equidistant, electrode_positions, polar_positions
from pyro_favae.datasets.eeg.deap import CHANNELS
from pyro_favae.errors import DataError


def test_axes_are_right_ear_nose_and_vertex():
    np.testing.assert_allclose(electrode_positions(["Cz"]), [[0, 0, 1]], atol=1e-15)
    right, left, front, back = electrode_positions(["T8", "T7", "Fz", "Oz"])
    assert right[0] > 0.99
    assert left[0] < -0.99
    assert front[1] > 0.7
    assert back[1] < -0.99


def test_every_electrode_has_a_mirror_image_of_its_own():
    positions = electrode_positions(CHANNELS)
    np.testing.assert_allclose(np.linalg.norm(positions, axis=1), 1)
    assert len(np.unique(positions.round(6), axis=0)) == 32
    mirrored = (positions * [-1, 1, 1]).round(6) + 0.0
    assert {tuple(row) for row in mirrored} == {tuple(row) for row in positions.round(6) + 0.0}


def test_odd_numbers_are_on_the_left_and_even_ones_on_the_right():
    for name, (x, _, _) in zip(CHANNELS, electrode_positions(CHANNELS), strict=True):
        assert np.sign(round(x, 9)) == {"z": 0}.get(name[-1], -1 if name[-1] in "13579" else 1), name


def test_projection_of_known_places_is_exact():
    half = np.sqrt(0.5)
    places = [[0, 0, 1], [1, 0, 0], [0, 2, 0], [0, -half, half], [-3, 0, -3]]
    expected = [[0, 0], [np.pi / 2, 0], [0, np.pi / 2], [0, -np.pi / 4], [-0.75 * np.pi, 0]]
    np.testing.assert_allclose(azimuthal_equidistant(places), expected, atol=1e-15)


def test_polar_coordinates_are_those_of_the_projection():
    angle, radius = np.array([0, 90, -90, 180, 30]), np.array([0.5, 0.25, 0.1, 0.7, 0.3])
    flat = azimuthal_equidistant(polar_positions(angle, radius))
    radians = np.radians(angle)
    expected = np.pi * radius[:, None] * np.stack([np.sin(radians), np.cos(radians)], 1)
    np.testing.assert_allclose(flat, expected, atol=1e-12)


def test_the_two_tables_of_places_agree():
    # Cz, Fz, T8 and Oz of a recording of 32 channels, in EEGLAB's coordinates
    polar = polar_positions([0, 0, 90, 180], [0, 0.25338, 0.53318, 0.50669])
    named = electrode_positions(["Cz", "Fz", "T8", "Oz"])
    assert np.degrees(np.arccos((polar * named).sum(1).clip(-1, 1))).max() < 10


def test_names_that_no_cap_has():
    assert len(electrode_positions(["fp1", "OZ"])) == 2
    with pytest.raises(DataError, match="EOG1: no position known"):
        electrode_positions(["Fz", "EOG1"])
    with pytest.raises(DataError, match=r"expected \(electrodes, 3\)"):
        azimuthal_equidistant([[0, 1]])
