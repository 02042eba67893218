"""Pictures of the head."""

import numpy as np
import pytest

from pyro_favae.datasets.eeg import azimuthal_equidistant, electrode_positions, topographic_maps
from pyro_favae.datasets.eeg.deap import CHANNELS
from pyro_favae.datasets.eeg.topography import pixel_positions
from pyro_favae.errors import DataError

POSITIONS = azimuthal_equidistant(electrode_positions(CHANNELS))


def test_a_linear_field_is_reproduced():
    x, y = POSITIONS.T
    picture = topographic_maps(1 + 2 * x - 3 * y, POSITIONS, size=32)
    across, ahead = pixel_positions(POSITIONS, 32)
    known = np.isfinite(picture)
    assert 0.6 < known.mean() < 0.9  # a disc in its square
    np.testing.assert_allclose(picture[known], (1 + 2 * across - 3 * ahead)[known], atol=1e-6)


def test_the_front_is_above_and_the_right_on_the_right():
    x, y = POSITIONS.T
    front, right = topographic_maps(np.stack([y, x]), POSITIONS, size=9)
    assert front[1, 4] > 0 > front[7, 4]
    assert right[4, 7] > 0 > right[4, 1]


def test_many_maps_at_once_are_those_made_one_by_one(rng):
    values = rng.normal(size=(2, 3, 32))
    pictures = topographic_maps(values, POSITIONS, size=8)
    assert pictures.shape == (2, 3, 8, 8)
    for index in np.ndindex(2, 3):
        np.testing.assert_allclose(pictures[index], topographic_maps(values[index], POSITIONS, size=8))


def test_values_at_electrodes_are_exact(rng):
    grid = np.stack(np.meshgrid([-1.0, 0, 1], [1.0, 0, -1]), -1).reshape(-1, 2)
    values = rng.normal(size=9)
    np.testing.assert_allclose(topographic_maps(values, grid, size=3).ravel(), values, atol=1e-9)


def test_what_does_not_fit(rng):
    with pytest.raises(DataError, match=r"expected \(..., 32\)"):
        topographic_maps(rng.normal(size=31), POSITIONS)
    with pytest.raises(DataError, match="four or more"):
        topographic_maps([1.0, 2, 3], POSITIONS[:3])
