import numpy as np
import pytest
from scipy.io import savemat

from pyro_favae.datasets import eeg
from pyro_favae.datasets.eeg.deap import CHANNELS
from pyro_favae.experiments.influence.eeg_frames import frames_of_deap, frames_of_recording

RATE = 128
NAMES = ("Fp1", "Fp2", "T7", "Cz", "T8", "O1", "O2")


@pytest.fixture
def recording(rng):
    """Thirty seconds of noise, with labels that change after 15."""
    signal = rng.normal(size=(len(NAMES), 30 * RATE))
    labels = (np.arange(30 * RATE) >= 15 * RATE).astype(np.uint8)
    return eeg.Recording(signal, RATE, NAMES, eeg.electrode_positions(NAMES), labels)


def test_no_window_to_learn_from_overlaps_one_of_the_test(recording):
    frames = frames_of_recording(recording)
    samples = {
        part: np.unique(np.flatnonzero(chosen)[:, None] * 16 + np.arange(RATE))
        for part, chosen in (("learn", frames.learn), ("test", frames.test))
    }
    assert not set(samples["learn"]) & set(samples["test"])
    assert frames.learn.sum() > 2 * frames.test.sum() > 0
    assert len(frames.power) == 29 * 8 + 1


def test_sequences_have_the_label_of_their_last_sample_and_stay_in_their_part(recording):
    frames = frames_of_recording(recording)
    end = frames.sequences[:, -1] * 16 + RATE - 1
    np.testing.assert_array_equal(frames.labels, recording.labels[end])
    sequences, labels = frames.sequences_in(frames.test)
    assert frames.test[sequences].all()
    assert len(sequences) == len(labels) > 0


def test_pictures_are_standardised_by_what_is_learnt_from(recording):
    frames = frames_of_recording(recording)
    pictures = frames.pictures()
    assert pictures.shape == (len(frames.power), 3, 32, 32)
    assert pictures.dtype == np.float32
    assert np.isfinite(pictures).all()
    assert not pictures[:, :, 0, 0].any()  # outside the electrodes
    vertex = pictures[frames.learn][:, :, 15:17, 15:17].mean((2, 3))
    assert np.abs(vertex.mean(0)).max() < 0.5
    assert 0.3 < vertex.std(0).min() < vertex.std(0).max() < 2


def test_deap_gives_63_frames_a_video_and_four_classes(tmp_path, rng):
    ratings = np.tile([[7.0, 7, 5, 5], [7, 2, 5, 5], [2, 7, 5, 5], [2, 2, 5, 5]], (3, 1))
    for name in ("s01", "s02"):
        savemat(tmp_path / f"{name}.mat", {"data": rng.normal(size=(12, 40, 8064)), "labels": ratings})
    frames = frames_of_deap(tmp_path, seed=0)
    assert frames.power.shape == (24 * 63, 3, len(CHANNELS))
    assert frames.sequences.shape == (24, 63)
    np.testing.assert_array_equal(frames.labels, 6 * [3, 1, 2, 0])
    assert not (frames.learn & frames.test).any()
    whole = {
        63 * int(part[frames.sequences].all(1).sum()) == part.sum() for part in (frames.learn, frames.test)
    }
    assert whole == {True}  # videos are not torn apart
    assert frames.learn.sum() == 20 * 63
    assert frames.test.sum() == 2 * 63
