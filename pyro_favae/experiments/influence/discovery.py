"""Which factors are influential: information, the variance indicator, and what happens without a factor."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from pyro_favae.diagnostics import MutualInformation, mutual_information
from pyro_favae.results import Pretrained

INFLUENTIAL = 0.1  # nats
USED = 0.01  # of the reconstruction error: what setting a used factor to zero changes, at least
DECODED_ROWS = 1_000  # for what happens without a factor


@dataclass(frozen=True, eq=False)
class Discovery:
    """What is known of each factor of a VAE from held-out rows.

    Attributes:
        means: (rows, D), of q(z | x).
        information: of rows and factors; its ``marginal_variance``, that of z_h, is the classical indicator.
        change: (D,), mean squared change of a row's reconstruction when the factor is set to zero, as a share of the
            reconstruction error.
    """

    means: np.ndarray
    information: MutualInformation
    change: np.ndarray

    @property
    def influential(self) -> np.ndarray:
        """Factors with more than 0.1 nat, the most influential first."""
        ranking = self.information.ranking
        return ranking[self.information.nats[ranking] > INFLUENTIAL]

    @property
    def used(self) -> np.ndarray:
        """(D,) booleans: setting the factor to zero changes reconstructions by more than 1 % of their error."""
        return self.change > USED

    def separation(self, indicator: np.ndarray) -> float:
        """Share of the pairs of a used and an ignored factor that an indicator (D,) ranks rightly; 1 is all."""
        if self.used.all() or not self.used.any():
            return float("nan")
        return float(roc_auc_score(self.used, indicator))


def discover(vae: Pretrained, data: Any) -> Discovery:
    """Examine a VAE on rows (n, *event) that it has not seen. Section 5.2."""
    means, variances = vae.encode(data)
    return Discovery(
        means,
        mutual_information(means, variances),
        _changes(vae, np.asarray(data[:DECODED_ROWS]), means[:DECODED_ROWS]),
    )


def _changes(vae: Pretrained, data: np.ndarray, means: np.ndarray) -> np.ndarray:
    """What setting each factor to zero changes, (D,), as a share of the reconstruction error."""
    complete = vae.decode(means)
    changes = []
    for factor in range(means.shape[1]):
        without = means.copy()
        without[:, factor] = 0
        changes.append(np.square(vae.decode(without) - complete).mean())
    return np.array(changes) / np.square(complete - data).mean()
