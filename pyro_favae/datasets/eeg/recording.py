"""Signals of electrodes at known places."""

import os
from dataclasses import dataclass, replace

import numpy as np

from pyro_favae.datasets.eeg.montage import electrode_positions, polar_positions
from pyro_favae.errors import DataError

NORMAL = 1.4826  # standard deviation over median absolute deviation, of a normal distribution


@dataclass(frozen=True, eq=False)
class Recording:
    """Signals of electrodes.

    Attributes:
        signal: (channels, samples).
        rate: samples a second.
        names: of the channels.
        positions: (channels, 3), on the unit sphere: right ear, nose, vertex.
        labels: (samples,), or None.
    """

    signal: np.ndarray
    rate: float
    names: tuple[str, ...]
    positions: np.ndarray
    labels: np.ndarray | None = None


def load_recording(path: str | os.PathLike, labels: str | None = None) -> Recording:
    """Read a recording from an ``.npz``.

    It holds ``data`` (channels, samples) or (samples, channels), ``sfreq`` in Hz, ``ch_names``, and EEGLAB's
    ``polar_theta_deg`` and ``polar_radius`` where electrodes are not all of the 10-20 system. labels: the name of an
    array (samples,) in it. Raises :class:`DataError` for a file without these.
    """
    with np.load(path, allow_pickle=False) as file:
        stored = dict(file)
    wanted = {"data", "sfreq", "ch_names", *([labels] if labels else [])}
    if lacking := wanted - set(stored):
        raise DataError(
            f"{os.fspath(path)!r} has {', '.join(stored)}, and lacks {', '.join(sorted(lacking))}"
        )
    names = tuple(map(str, stored["ch_names"]))
    if "polar_radius" in stored:
        positions = polar_positions(stored["polar_theta_deg"], stored["polar_radius"])
    else:
        positions = electrode_positions(names)
    return Recording(
        _by_channel(stored["data"], len(names), path),
        float(stored["sfreq"]),
        names,
        positions,
        stored[labels] if labels else None,
    )


def without_outliers(recording: Recording, deviations: float = 20.0) -> tuple[Recording, int]:
    """The recording with gross outliers replaced, channel by channel, by a line between their neighbours.

    An outlier lies further from its channel's median than ``deviations`` robust standard deviations (1.48 median
    absolute deviations): loose electrodes and faults of transmission, not blinks. Returns how many samples of a
    channel were replaced, too.
    """
    signal = np.asarray(recording.signal, float)
    distance = np.abs(signal - np.median(signal, -1, keepdims=True))
    outlier = distance > deviations * NORMAL * np.median(distance, -1, keepdims=True)
    if outlier.all(-1).any():
        raise DataError("without_outliers: a channel has no sample that is none")
    time = np.arange(signal.shape[-1])
    repaired = [
        np.where(bad, np.interp(time, time[~bad], channel[~bad]), channel)
        for channel, bad in zip(signal, outlier, strict=True)
    ]
    return replace(recording, signal=np.stack(repaired)), int(outlier.sum())


def _by_channel(data: np.ndarray, channels: int, path: str | os.PathLike) -> np.ndarray:
    """(channels, samples)."""
    if data.ndim != 2 or channels not in data.shape:
        raise DataError(
            f"{os.fspath(path)!r}: data of shape {data.shape}, expected ({channels}, samples) or "
            f"(samples, {channels})"
        )
    return data if data.shape[0] == channels else data.T
