"""What each objective adds to the loss of a view's networks: one file an objective."""

from pyro_favae.inference.discovery import import_submodules
from pyro_favae.inference.objectives.base import LatentBatch, ObjectiveTerm, objective_term

__all__ = ["LatentBatch", "ObjectiveTerm", "objective_term"]

import_submodules(__name__, __path__)
