"""Electroencephalograms: reading them, power in bands of frequency, pictures of the head.

After the influential-factors paper, Appendix A.3: windows of a second, alpha, beta and gamma power of each channel,
azimuthal equidistant projection, Clough–Tocher interpolation.
"""

from pyro_favae.datasets.eeg.deap import DeapParticipant, deap_files, read_deap
from pyro_favae.datasets.eeg.montage import azimuthal_equidistant, electrode_positions, polar_positions
from pyro_favae.datasets.eeg.recording import Recording, load_recording, without_outliers
from pyro_favae.datasets.eeg.spectra import BANDS, band_pass, band_power
from pyro_favae.datasets.eeg.topography import topographic_maps

__all__ = [
    "BANDS",
    "DeapParticipant",
    "Recording",
    "azimuthal_equidistant",
    "band_pass",
    "band_power",
    "deap_files",
    "electrode_positions",
    "load_recording",
    "polar_positions",
    "read_deap",
    "topographic_maps",
    "without_outliers",
]
