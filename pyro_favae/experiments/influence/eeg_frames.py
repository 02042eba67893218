"""Electroencephalograms as frames, one a window, and sequences of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pyro_favae.datasets import eeg
from pyro_favae.datasets.eeg.deap import CHANNELS, RATE

SIZE = 32  # pixels a side
NOTHING = 1e-12  # squared units: power below it is none

# Recordings of minutes: overlapping windows, of which blocks of time are kept for the test.
STEP, BLOCK, EVERY, LENGTH = 0.125, 6.0, 4, 8  # seconds, seconds, one block in four, frames in a sequence


@dataclass(frozen=True, eq=False)
class EegFrames:
    """Frames of band power, which of them to learn from and which to measure on, and sequences of them.

    Attributes:
        power: (frames, bands, channels), in squared units of the signal.
        positions: (channels, 2), the head flattened.
        learn, test: (frames,) booleans; no window of one overlaps one of the other.
        sequences: (sequences, length), indices of frames that follow one another.
        labels: (sequences,) classes from 0, or None.
    """

    power: np.ndarray
    positions: np.ndarray
    learn: np.ndarray
    test: np.ndarray
    sequences: np.ndarray
    labels: np.ndarray | None

    def pictures(self) -> np.ndarray:
        """Frames (frames, bands, 32, 32) in standard deviations of a band's log power; 0 outside the electrodes.

        Mean and standard deviation are those of all channels in the frames to learn from.
        """
        decibels = 10 * np.log10(np.maximum(self.power, NOTHING))
        learnt = decibels[self.learn]
        centre, spread = (moment((0, 2))[:, None] for moment in (learnt.mean, learnt.std))
        maps = eeg.topographic_maps((decibels - centre) / spread, self.positions, SIZE)
        return np.nan_to_num(maps, nan=0.0).astype(np.float32)

    def sequences_in(self, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sequences all of whose frames are in a part (frames,) of booleans, and their labels."""
        inside = part[self.sequences].all(1)
        return self.sequences[inside], cast(np.ndarray, self.labels)[inside]


def frames_of_recording(recording: eeg.Recording) -> EegFrames:
    """Windows of a second, one every eighth of it; blocks of six seconds, of which one in four is for the test.

    Gross outliers are bridged and the signal is taken between 4 and 45 Hz first, as DEAP's is. A window that reaches
    into the next block belongs to none. Sequences of eight frames have the label of their last sample.
    """
    repaired, _ = eeg.without_outliers(recording)
    rate = recording.rate
    power = eeg.band_power(eeg.band_pass(repaired.signal, rate), rate, step=STEP)
    first = np.arange(len(power)) * round(STEP * rate)
    last = first + round(rate) - 1
    block = first // round(BLOCK * rate)
    within = block == last // round(BLOCK * rate)
    test = block % EVERY == EVERY - 1
    sequences = sliding_window_view(np.arange(len(power)), LENGTH)
    labels = None if recording.labels is None else recording.labels[last[sequences[:, -1]]].astype(np.int64)
    positions = eeg.azimuthal_equidistant(recording.positions)
    return EegFrames(power, positions, within & ~test, within & test, sequences, labels)


def frames_of_deap(folder: Path, seed: int) -> EegFrames:
    """Windows of a second of every video of every participant; a tenth of the videos for the test. Appendix A.3."""
    parts = []
    for path in eeg.deap_files(folder):
        participant = eeg.read_deap(path)
        parts.append((eeg.band_power(participant.signals, RATE), participant.classes))
    power, classes = map(np.concatenate, zip(*parts, strict=True))
    videos, frames = power.shape[:2]
    part = np.random.default_rng(seed).permutation(videos) / videos
    learn, test = (
        np.repeat(chosen, frames) for chosen in (part < 0.8, part >= 0.9)
    )  # the rest is to choose by
    return EegFrames(
        power.reshape(videos * frames, *power.shape[2:]),
        eeg.azimuthal_equidistant(eeg.electrode_positions(CHANNELS)),
        learn,
        test,
        np.arange(videos * frames).reshape(videos, frames),
        classes,
    )
