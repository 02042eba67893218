"""Recordings from files."""

import numpy as np
import pytest

from pyro_favae.datasets.eeg import load_recording, without_outliers
from pyro_favae.errors import DataError


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_either_way_round(tmp_path, rng):
    signal = rng.normal(size=(3, 20)).astype(np.float32)
    rest = {"sfreq": 128, "ch_names": np.array(["O1", "Oz", "O2"]), "closed": np.arange(20) % 2}
    one = load_recording(write(tmp_path / "a.npz", data=signal, **rest))
    two = load_recording(write(tmp_path / "b.npz", data=signal.T, **rest), labels="closed")
    np.testing.assert_array_equal(one.signal, two.signal)
    assert (one.rate, one.names, one.labels) == (128.0, ("O1", "Oz", "O2"), None)
    np.testing.assert_array_equal(two.labels, rest["closed"])
    assert one.positions.shape == (3, 3)


def test_files_that_lack_something(tmp_path, rng):
    rest = {"sfreq": 128, "ch_names": np.array(["O1", "EOG"])}
    with pytest.raises(DataError, match="lacks data"):
        load_recording(write(tmp_path / "a.npz", **rest))
    with pytest.raises(DataError, match="EOG: no position"):
        load_recording(write(tmp_path / "b.npz", data=np.zeros((2, 9)), **rest))
    polar = {"polar_theta_deg": [0, 10], "polar_radius": [0.5, 0.6]}
    assert load_recording(write(tmp_path / "c.npz", data=np.zeros((2, 9)), **rest, **polar)).names[1] == "EOG"
    with pytest.raises(DataError, match=r"expected \(2, samples\)"):
        load_recording(write(tmp_path / "d.npz", data=np.zeros((3, 9)), **rest, **polar))


def test_gross_outliers_are_bridged_and_blinks_are_not(tmp_path, rng):
    signal = rng.normal(4_200, 15, size=(2, 400))
    signal[0, 100:150] += 150  # a blink
    faulty = signal.copy()
    faulty[0, 30], faulty[1, 0], faulty[1, 398:] = 715_897, 1.0, 9e5
    recording = load_recording(
        write(tmp_path / "a.npz", data=faulty, sfreq=128, ch_names=np.array(["O1", "O2"]))
    )
    repaired, count = without_outliers(recording)
    assert count == 4
    kept = faulty == signal
    np.testing.assert_array_equal(repaired.signal[kept], signal[kept])
    assert repaired.signal[0, 30] == pytest.approx((signal[0, 29] + signal[0, 31]) / 2)
    assert repaired.signal[1, 0] == signal[1, 1]
    np.testing.assert_array_equal(repaired.signal[1, 398:], signal[1, 397])


@pytest.mark.data
def test_the_outliers_of_the_eye_state_set(data_root):
    recording = load_recording(data_root / "eeg" / "eeg_eye_state_14ch_128hz.npz", labels="eye_closed")
    repaired, count = without_outliers(recording)
    assert recording.signal.shape == (14, 14_980)
    assert 0 < count < 14 * 8
    assert np.ptp(repaired.signal, axis=1).max() < 1_000 < np.ptp(recording.signal, axis=1).max()
