"""Exact draws from the posterior by blocked Gibbs sampling, where every view is Gaussian given the factors."""

from pyro_favae.inference.sampling.chain import Chains
from pyro_favae.inference.sampling.conditionals import draw_factors
from pyro_favae.inference.sampling.table import Globals, Table

__all__ = ["Chains", "Globals", "Table", "draw_factors"]
