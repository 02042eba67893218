"""DEAP's preprocessed recordings: 40 videos a participant, 32 channels at 128 Hz, 63 seconds each."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pyro_favae.datasets.eeg.pickles import read_pickled_arrays
from pyro_favae.errors import DataError

RATE = 128  # Hz
CHANNELS = tuple(
    "Fp1 AF3 F3 F7 FC5 FC1 C3 T7 CP5 CP1 P3 P7 PO3 O1 Oz Pz "
    "Fp2 AF4 Fz F4 F8 FC6 FC2 Cz C4 T8 CP6 CP2 P4 P8 PO4 O2".split()
)
VALENCE, AROUSAL = 0, 1  # columns of the ratings
MIDDLE = 5.0  # of the scale from 1 to 9


@dataclass(frozen=True, eq=False)
class DeapParticipant:
    """What one participant's file holds of the brain.

    Attributes:
        signals: (videos, 32, samples), in the order of ``CHANNELS``, at 128 Hz.
        ratings: (videos, 4): valence, arousal, dominance and liking, 1 to 9.
    """

    signals: np.ndarray
    ratings: np.ndarray

    @property
    def classes(self) -> np.ndarray:
        """Which quarter of valence and arousal, (videos,): 0 both low, 1 valence high, 2 arousal high, 3 both high.

        High is above 5. Influential-factors paper, Appendix A.3.
        """
        high = self.ratings > MIDDLE
        return high[:, VALENCE].astype(np.int64) + 2 * high[:, AROUSAL]


def read_deap(path: str | os.PathLike) -> DeapParticipant:
    """Read ``s01.mat``, or ``s01.dat``, of DEAP's preprocessed data (Koelstra and others, 2012).

    Both hold ``data`` (videos, channels, samples), of whose channels the first 32 are kept, and ``labels``. Pickles
    are read without running anything they ask for. Raises :class:`DataError` for any other content.
    """
    stored = _from_matlab(path) if Path(path).suffix == ".mat" else read_pickled_arrays(path)
    shapes = {name: stored[name].shape for name in ("data", "labels") if name in stored}
    data, labels = shapes.get("data", ()), shapes.get("labels", ())
    if len(data) != 3 or data[1] < len(CHANNELS) or labels != (data[0], 4):
        raise DataError(
            f"{os.fspath(path)!r} holds {shapes or 'neither data nor labels'}, expected data (videos, 32 channels or "
            "more, samples) and labels (videos, 4)"
        )
    return DeapParticipant(stored["data"][:, : len(CHANNELS)], stored["labels"])


def deap_files(folder: str | os.PathLike) -> list[Path]:
    """The participants' files in a folder, ``s01`` to ``s32``, those of MATLAB where there are both kinds."""
    files = {
        path.stem: path for suffix in ("dat", "mat") for path in Path(folder).glob(f"s[0-9][0-9].{suffix}")
    }
    return [files[stem] for stem in sorted(files)]


def _from_matlab(path: str | os.PathLike) -> dict[str, np.ndarray]:
    try:
        return loadmat(path)
    except (MatReadError, ValueError, NotImplementedError) as error:
        raise DataError(f"{os.fspath(path)!r} is no MATLAB file that can be read: {error}") from error
