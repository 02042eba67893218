"""Factor-analysis variational autoencoders in Pyro: several views, one interpretable shared space."""

from pyro_favae import datasets, diagnostics, errors, plots
from pyro_favae.exports import to_arviz
from pyro_favae.fitting import fit, pyro_pair
from pyro_favae.models import likelihoods, networks, priors, views
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.favae import FAVAE
from pyro_favae.results import Fit, load

__version__ = "0.1.0"

__all__ = [
    "FAVAE",
    "Fit",
    "datasets",
    "diagnostics",
    "errors",
    "fit",
    "from_json",
    "likelihoods",
    "load",
    "networks",
    "plots",
    "priors",
    "pyro_pair",
    "to_arviz",
    "to_json",
    "views",
]
