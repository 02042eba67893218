"""How each kind of view is inferred: one file a kind."""

from pyro_favae.inference.discovery import import_submodules
from pyro_favae.inference.views.base import ViewInference, view_inference

__all__ = ["ViewInference", "view_inference"]

import_submodules(__name__, __path__)
