"""Pictures: functions over a fit or a diagnostic, each takes and returns matplotlib Axes.

None relies on colour alone, and none changes matplotlib's settings.
"""

from pyro_favae.plots.coverage import coverage
from pyro_favae.plots.heat_maps import variance_explained, weights
from pyro_favae.plots.learning import bound
from pyro_favae.plots.mosaic import images
from pyro_favae.plots.moves import edits, generated, interpolation, reconstructions, traversal
from pyro_favae.plots.overview import data_overview
from pyro_favae.plots.psis import psis
from pyro_favae.plots.ranks import rank_histogram
from pyro_favae.plots.reliability import calibration
from pyro_favae.plots.roles import sharing
from pyro_favae.plots.scatter import factors
from pyro_favae.plots.top_features import top_features

__all__ = [
    "bound",
    "calibration",
    "coverage",
    "data_overview",
    "edits",
    "factors",
    "generated",
    "images",
    "interpolation",
    "psis",
    "rank_histogram",
    "reconstructions",
    "sharing",
    "top_features",
    "traversal",
    "variance_explained",
    "weights",
]
