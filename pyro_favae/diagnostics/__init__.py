"""Reading a fit: functions over a fit and data."""

from pyro_favae.diagnostics.association import associate
from pyro_favae.diagnostics.convergence import Convergence, convergence
from pyro_favae.diagnostics.coverage import coverage
from pyro_favae.diagnostics.features import top_features
from pyro_favae.diagnostics.influence import factor_influence, influence, view_influence
from pyro_favae.diagnostics.information import (
    MutualInformation,
    mutual_information,
    streamed_mutual_information,
)
from pyro_favae.diagnostics.leave_one_out import leave_one_view_out
from pyro_favae.diagnostics.matching import match_factors
from pyro_favae.diagnostics.missingness import missingness
from pyro_favae.diagnostics.psis import PSIS, psis
from pyro_favae.diagnostics.reliability import Calibration, calibration, expected_calibration_error
from pyro_favae.diagnostics.restarts import Restarts, restarts
from pyro_favae.diagnostics.roles import SharingWarning, sharing
from pyro_favae.diagnostics.simulation import SBC, simulation_based_calibration
from pyro_favae.diagnostics.summary import summary
from pyro_favae.diagnostics.variance import Scale, total_variance_explained, variance_explained

__all__ = [
    "Calibration",
    "Convergence",
    "MutualInformation",
    "PSIS",
    "Restarts",
    "SBC",
    "Scale",
    "SharingWarning",
    "associate",
    "calibration",
    "convergence",
    "coverage",
    "expected_calibration_error",
    "factor_influence",
    "influence",
    "leave_one_view_out",
    "match_factors",
    "missingness",
    "mutual_information",
    "psis",
    "restarts",
    "sharing",
    "simulation_based_calibration",
    "streamed_mutual_information",
    "summary",
    "top_features",
    "total_variance_explained",
    "variance_explained",
    "view_influence",
]
