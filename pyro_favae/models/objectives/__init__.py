"""Objectives of a view's networks; swapped by declaring another one."""

from pyro_favae.models.objectives.base import Objective
from pyro_favae.models.objectives.dip import DIP
from pyro_favae.models.objectives.factor_vae import FactorVAE
from pyro_favae.models.objectives.plain import Plain
from pyro_favae.models.objectives.total_correlation import TotalCorrelation

__all__ = ["DIP", "FactorVAE", "Objective", "Plain", "TotalCorrelation"]
