"""The fit: what follows from a model and its posterior alone."""

from pyro_favae.results.fit import Fit, load

__all__ = ["Fit", "load"]
