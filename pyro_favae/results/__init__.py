"""What follows from a model and its posterior alone."""

from pyro_favae.results.fit import Fit, load
from pyro_favae.results.pretrained import Pretrained, load_pretrained
from pyro_favae.results.samples import Samples
from pyro_favae.results.tables import Factors, Prediction

__all__ = ["Factors", "Fit", "Prediction", "Pretrained", "Samples", "load", "load_pretrained"]
