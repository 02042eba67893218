"""Power in bands of frequency."""

import numpy as np
import pytest

from pyro_favae.datasets.eeg import BANDS, band_pass, band_power
from pyro_favae.errors import DataError

RATE = 128


def sine(frequency, seconds=4, amplitude=1.0):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(seconds * RATE) / RATE + 0.3)


@pytest.mark.parametrize(
    ("frequency", "band"), [(8, 0), (12, 0), (13, 1), (29, 1), (30, 2), (44, 2), (7, None), (45, None)]
)
def test_a_sine_has_power_in_its_own_band_only(frequency, band):
    power = band_power(sine(frequency, amplitude=3.0)[None], RATE)
    expected = np.zeros((4, len(BANDS), 1))
    if band is not None:
        expected[:, band] = 3.0**2 / 2
    np.testing.assert_allclose(power, expected, atol=1e-12)


def test_windows_bands_and_channels_are_told_apart():
    signal = np.stack([np.r_[sine(10, 1), sine(20, 1)], np.r_[sine(40, 1), np.zeros(RATE)]])
    power = band_power(signal, RATE)
    assert power.shape == (2, 3, 2)
    expected = np.zeros((2, 3, 2))
    expected[0, 0, 0] = expected[1, 1, 0] = expected[0, 2, 1] = 0.5
    np.testing.assert_allclose(power, expected, atol=1e-12)
    np.testing.assert_allclose(band_power(np.stack([signal, 2 * signal]), RATE)[1], 4 * power)


def test_a_level_and_what_is_left_of_a_window_do_not_matter():
    signal = sine(10, 3)[None, : 2 * RATE + 50] + 4_200
    power = band_power(signal, RATE)
    assert power.shape == (2, 3, 1)
    np.testing.assert_allclose(power[:, 0], 0.5, rtol=1e-6)
    np.testing.assert_allclose(power[:, 1:], 0, atol=1e-12)
    assert band_power(signal, RATE, step=0.25).shape == (6, 3, 1)


def test_all_power_is_in_bands_that_cover_everything(rng):
    signal = rng.normal(size=(2, RATE))
    power = band_power(signal, RATE, bands={"low": (0.5, 20), "high": (20, 64)})
    nyquist = band_power(signal, RATE, bands={"all": (0.5, 64)})
    np.testing.assert_allclose(power.sum(1), nyquist[:, 0])
    alternating = np.square((signal * (-1) ** np.arange(RATE)).mean(1))  # at 64 Hz, which no band includes
    np.testing.assert_allclose(nyquist[0, 0] + alternating, signal.var(1))


def test_band_pass_keeps_what_is_inside():
    kept, lost = band_pass(np.stack([sine(20), sine(1) + sine(60)]), RATE)
    middle = slice(RATE, -RATE)
    np.testing.assert_allclose(kept[middle], sine(20)[middle], atol=0.01)
    assert np.abs(lost[middle]).max() < 0.01


def test_what_cannot_be_measured(rng):
    signal = rng.normal(size=(2, RATE))
    with pytest.raises(DataError, match="windows of 2 s"):
        band_power(signal, RATE, window=2)
    with pytest.raises(DataError, match="'gamma'"):
        band_power(signal, 64)
    with pytest.raises(DataError, match="'alpha'"):
        band_power(signal, RATE, window=0.05)
    with pytest.raises(DataError, match="all finite"):
        band_power(np.where(signal > 2, np.nan, signal), RATE)
    with pytest.raises(DataError, match="expected 0 < low"):
        band_pass(signal, RATE, 45, 4)
