"""A fit for other libraries."""

from pyro_favae.exports.arviz import to_arviz
from pyro_favae.exports.estimators import FactorAnalysis, FactorClassifier, FactorRegressor
from pyro_favae.exports.omics import to_anndata, to_mudata

__all__ = ["FactorAnalysis", "FactorClassifier", "FactorRegressor", "to_anndata", "to_arviz", "to_mudata"]
