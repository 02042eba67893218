"""Kinds of view; a view is what one source says about the rows."""

from pyro_favae.models.views.base import Emission, View
from pyro_favae.models.views.bernoulli import Bernoulli
from pyro_favae.models.views.categorical import Categorical
from pyro_favae.models.views.decoder import DecoderView
from pyro_favae.models.views.frozen import Frozen
from pyro_favae.models.views.image import Image
from pyro_favae.models.views.real import Real
from pyro_favae.models.views.sequence import Sequence
from pyro_favae.models.views.tabular import Tabular
from pyro_favae.models.views.vae import VAE

__all__ = [
    "VAE",
    "Bernoulli",
    "Categorical",
    "DecoderView",
    "Emission",
    "Frozen",
    "Image",
    "Real",
    "Sequence",
    "Tabular",
    "View",
]
