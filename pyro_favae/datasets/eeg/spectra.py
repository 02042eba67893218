"""Power of a signal in bands of frequency, window by window."""

from collections.abc import Mapping

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from pyro_favae.errors import DataError

#: Hz, of the influential-factors paper, Appendix A.3
BANDS: Mapping[str, tuple[float, float]] = {"alpha": (8, 13), "beta": (13, 30), "gamma": (30, 45)}


def band_power(
    signal: ArrayLike,
    rate: float,
    *,
    bands: Mapping[str, tuple[float, float]] = BANDS,
    window: float = 1.0,
    step: float | None = None,
) -> np.ndarray:
    """Power of each window in each band, (..., windows, bands, channels), in squared units of the signal.

    signal: (..., channels, samples), at ``rate`` Hz. window, step: seconds; windows follow one another unless
    ``step`` is given, and what is left after the last is dropped. bands: low and high in Hz, low included and high
    not, so that neighbours share nothing. A sine of amplitude a has power a²/2; each window's mean is taken off
    first. Raises :class:`DataError` for signals shorter than a window and for bands that the rate or the window
    cannot resolve.
    """
    from scipy.signal import periodogram  # here and below, because its import takes a second

    signal = _signal(signal)
    length, stride = round(window * rate), round((window if step is None else step) * rate)
    if not 0 < length <= signal.shape[-1] or stride < 1:
        raise DataError(
            f"band power: windows of {window:g} s, one every {window if step is None else step:g} s, of a signal "
            f"of {signal.shape[-1] / rate:g} s; expected a window within the signal and a step of a sample or more"
        )
    windows = sliding_window_view(signal, length, axis=-1)[..., ::stride, :]
    frequencies, power = periodogram(
        windows, rate, scaling="spectrum"
    )  # (..., channels, windows, frequencies)
    of_bands = [power[..., _within(frequencies, rate, name, band)].sum(-1) for name, band in bands.items()]
    return np.moveaxis(np.stack(of_bands, -1), -3, -1)


def band_pass(signal: ArrayLike, rate: float, low: float = 4.0, high: float = 45.0) -> np.ndarray:
    """The signal (..., samples) between two frequencies in Hz, without delay; DEAP's files are 4 to 45."""
    from scipy.signal import butter, sosfiltfilt

    signal = _signal(signal)
    if not 0 < low < high < rate / 2:
        raise DataError(
            f"band-pass {low:g} to {high:g} Hz at {rate:g} Hz: expected 0 < low < high < rate / 2"
        )
    return sosfiltfilt(butter(4, (low, high), "bandpass", fs=rate, output="sos"), signal)


def _within(frequencies: np.ndarray, rate: float, name: str, band: tuple[float, float]) -> np.ndarray:
    low, high = band
    inside = (frequencies >= low) & (frequencies < high)
    if not inside.any() or high > rate / 2:
        raise DataError(
            f"band {name!r}, {low:g} to {high:g} Hz: at {rate:g} Hz and in windows of this length "
            f"nothing is known of it; expected a band below {rate / 2:g} Hz, and longer windows for a narrow one"
        )
    return inside


def _signal(signal: ArrayLike) -> np.ndarray:
    signal = np.asarray(signal, float)
    if signal.ndim < 2 or not np.isfinite(signal).all():
        raise DataError(
            f"signal of shape {signal.shape}: expected (..., channels, samples), all finite; repair gaps first"
        )
    return signal
