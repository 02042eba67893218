"""Factor-analysis variational autoencoders in Pyro: several views, one interpretable shared space.

>>> import numpy as np
>>> import pyro_favae as fv
>>> rng = np.random.default_rng(0)
>>> factor = rng.normal(size=(100, 1))
>>> data = {"length": factor @ [[1.0, 2.0]], "tall": factor > 0}
>>> data["length"] = data["length"] + 0.1 * rng.normal(size=(100, 2))
>>> model = fv.FAVAE({"length": fv.views.Real(2), "tall": fv.views.Bernoulli(["tall"])}, n_factors=1)
>>> fit = fv.fit(model, data, seed=0, progress=False, device="cpu")
>>> fit.predict("tall", given={"length": [[2.0, 4.0], [-2.0, -4.0]]}).mean.round(1)
array([[1.],
       [0.]])
"""

from pyro_favae import datasets, diagnostics, errors, plots
from pyro_favae.data.ahead import reading
from pyro_favae.exports import (
    FactorAnalysis,
    FactorClassifier,
    FactorRegressor,
    to_anndata,
    to_arviz,
    to_mudata,
)
from pyro_favae.fitting import add_view, fit, pretrain, pyro_pair, refine, remove_view, sample
from pyro_favae.models import likelihoods, networks, objectives, priors, views
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.favae import FAVAE
from pyro_favae.report import report
from pyro_favae.results import Fit, Pretrained, Samples, load, load_pretrained

__version__ = "0.1.0"

__all__ = [
    "FAVAE",
    "FactorAnalysis",
    "FactorClassifier",
    "FactorRegressor",
    "Fit",
    "Pretrained",
    "Samples",
    "add_view",
    "datasets",
    "diagnostics",
    "errors",
    "fit",
    "from_json",
    "likelihoods",
    "load",
    "load_pretrained",
    "networks",
    "objectives",
    "plots",
    "pretrain",
    "priors",
    "pyro_pair",
    "reading",
    "refine",
    "remove_view",
    "report",
    "sample",
    "to_anndata",
    "to_arviz",
    "to_json",
    "to_mudata",
    "views",
]
