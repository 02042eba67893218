"""The simplest rival: one Gaussian of the latents a combination of kind and mark."""

from dataclasses import dataclass

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import pyro_favae as fv
from pyro_favae.experiments.domain_adaptation.domains import Pairs


@dataclass(frozen=True, eq=False)
class CellGaussians:
    """Latents of two VAEs, each a Gaussian for every combination, with one covariance.

    It is told the combination of every row it learns from, mark included, which no view of the FA-VAE says. A row is
    translated by recognising its combination and drawing from the other domain's Gaussian of that.
    """

    vaes: dict[str, fv.Pretrained]
    recognisers: dict[str, LinearDiscriminantAnalysis]

    @classmethod
    def of(cls, vaes: dict[str, fv.Pretrained], pairs: Pairs) -> "CellGaussians":
        """Estimate from the pairs."""
        recognisers = {}
        for name, vae in vaes.items():
            side = pairs.paired(name)
            analysis = LinearDiscriminantAnalysis(store_covariance=True)
            recognisers[name] = analysis.fit(vae.encode(side.images)[0], side.cells)
        return cls(vaes, recognisers)

    def translate(self, source: str, target: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """Images (n, C, H, W) of one domain in the other."""
        cells = self.recognisers[source].predict(self.vaes[source].encode(images)[0])
        drawn = self.recognisers[target]
        rng = np.random.default_rng(seed)
        around = rng.multivariate_normal(np.zeros(len(drawn.covariance_)), drawn.covariance_, len(cells))
        return self.vaes[target].decode(around + drawn.means_[np.searchsorted(drawn.classes_, cells)])
