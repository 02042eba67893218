"""Pictures: functions over a fit or a diagnostic, each takes and returns matplotlib Axes.

None relies on colour alone, and none changes matplotlib's settings.
"""

from pyro_favae.plots.coverage import coverage
from pyro_favae.plots.heat_maps import variance_explained, weights
from pyro_favae.plots.influence import influence
from pyro_favae.plots.latents import latent_traversal
from pyro_favae.plots.learning import bound
from pyro_favae.plots.mosaic import images
from pyro_favae.plots.moves import edits, generated, interpolation, reconstructions, traversal
from pyro_favae.plots.overview import data_overview
from pyro_favae.plots.psis import psis
from pyro_favae.plots.ranks import rank_histogram
from pyro_favae.plots.reliability import calibration
from pyro_favae.plots.roles import sharing
from pyro_favae.plots.scatter import factors
from pyro_favae.plots.shares import shares
from pyro_favae.plots.top_features import top_features
from pyro_favae.plots.topography import topography

__all__ = [
    "bound",
    "calibration",
    "coverage",
    "data_overview",
    "edits",
    "factors",
    "generated",
    "images",
    "influence",
    "interpolation",
    "latent_traversal",
    "psis",
    "rank_histogram",
    "reconstructions",
    "shares",
    "sharing",
    "top_features",
    "topography",
    "traversal",
    "variance_explained",
    "weights",
]
