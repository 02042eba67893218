"""Fitting: the one place that puts data, loop and result together."""

from pyro_favae.fitting.fits import fit, refine
from pyro_favae.fitting.learning import pyro_pair
from pyro_favae.fitting.pretraining import pretrain
from pyro_favae.fitting.sampling import sample
from pyro_favae.fitting.views import add_view, remove_view

__all__ = ["add_view", "fit", "pretrain", "pyro_pair", "refine", "remove_view", "sample"]
