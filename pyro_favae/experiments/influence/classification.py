"""Classes predicted from the most influential factors alone."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyro_favae.diagnostics import MutualInformation
from pyro_favae.experiments.influence.bounds import least_error
from pyro_favae.experiments.influence.classifier import train_classifier
from pyro_favae.experiments.influence.shares import SHARES, keep


@dataclass(frozen=True, eq=False)
class LabelledLatents:
    """Latents (rows, D) or (rows, frames, D), and classes (rows,) counted from 0."""

    latents: np.ndarray
    labels: np.ndarray

    def keeping(self, factors: np.ndarray) -> np.ndarray:
        """The latents with all but the named factors at zero."""
        flat = self.latents.reshape(-1, self.latents.shape[-1])
        return keep(flat, factors).reshape(self.latents.shape)


def classification_by_share(
    learn: LabelledLatents,
    test: LabelledLatents,
    information: MutualInformation,
    *,
    shares: Iterable[float] = SHARES,
    epochs: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """Table 3: accuracy from the top shares of the factors, others at zero.

    One row a share in percent: ``factors`` kept, ``nats`` they carry, ``zeroed``, the accuracy of one classifier that
    learnt from all factors, ``relearnt``, of one that learnt from those kept, and ``fano``, the highest accuracy that
    Fano's bound allows. Information of frames does not bound what a sequence of them says: there ``fano`` is 1.
    Section 5.4.
    """
    classes = int(max(learn.labels.max(), test.labels.max())) + 1
    sizes = {"classes": classes, "epochs": epochs, "seed": seed}
    table = pd.DataFrame(index=pd.Index(list(shares), name="share"))
    kept = [information.top(share / 100) for share in table.index]
    table["factors"] = [len(factors) for factors in kept]
    table["nats"] = [information.kept(share / 100) for share in table.index]
    complete = train_classifier(learn.latents, learn.labels, **sizes)
    table["zeroed"] = [complete.accuracy(test.keeping(factors), test.labels) for factors in kept]
    table["relearnt"] = [
        train_classifier(learn.keeping(factors), learn.labels, **sizes).accuracy(
            test.keeping(factors), test.labels
        )
        for factors in kept
    ]
    by_row = learn.latents.ndim == 2
    table["fano"] = 1 - least_error(table["nats"], test.labels) if by_row else 1.0
    return table
