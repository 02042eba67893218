"""Pictures: functions over a fit or a diagnostic, each takes and returns matplotlib Axes.

None relies on colour alone, and none changes matplotlib's settings.
"""

from pyro_favae.plots.heat_maps import variance_explained, weights
from pyro_favae.plots.influence import influence
from pyro_favae.plots.latents import latent_traversal
from pyro_favae.plots.learning import bound
from pyro_favae.plots.mosaic import images
from pyro_favae.plots.moves import edits, generated, traversal
from pyro_favae.plots.reliability import calibration
from pyro_favae.plots.roles import sharing
from pyro_favae.plots.scatter import factors
from pyro_favae.plots.shares import shares
from pyro_favae.plots.topography import topography

__all__ = [
    "bound",
    "calibration",
    "edits",
    "factors",
    "generated",
    "images",
    "influence",
    "latent_traversal",
    "shares",
    "sharing",
    "topography",
    "traversal",
    "variance_explained",
    "weights",
]
