"""Whether translated images show the kind and the mark that they were translated from."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from pyro_favae.experiments.domain_adaptation.domain_judge import DomainJudge
from pyro_favae.experiments.domain_adaptation.domains import Domain, Pairs
from pyro_favae.experiments.quality import spread

#: (source, target, images of the source, seed) → as many images of the target
Translate = Callable[[str, str, np.ndarray, int], np.ndarray]


def measure(
    methods: Mapping[str, Translate],
    reconstruct: Callable[[str, np.ndarray], np.ndarray],
    judges: Mapping[str, DomainJudge],
    pairs: Pairs,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge what becomes of held-out images, both ways.

    Returns one row for real images of the target, one for their reconstructions, which is the ceiling, one a method;
    columns (target, measure): balanced accuracy of the ``kind``, of the ``mark``, mean over the combinations of the
    share that has ``both``, and pixel ``variety`` within a combination, of real images' variety.
    """
    table: dict[str, dict[tuple[str, str], float]] = {}
    for target in pairs.names:
        source, real = pairs.other(target), pairs.test[target]
        shown = {"real": (real.images, real), "reconstructed": (reconstruct(target, real.images), real)}
        origin = pairs.test[source]
        for name, translate in methods.items():
            shown[name] = translate(source, target, origin.images, seed), origin
        for name, (images, truth) in shown.items():
            table[name] = table.get(name, {}) | {
                (target, key): value for key, value in judged(judges[target], images, truth, real).items()
            }
    return pd.DataFrame(table).T


def judged(judge: DomainJudge, images: np.ndarray, truth: Domain, real: Domain) -> dict[str, float]:
    """What a judge sees in images that are to show a domain's labels."""
    kinds, marks = judge.verdict(images)
    right = (kinds == truth.kinds) & (marks == truth.marks)
    return {
        "kind": float(balanced_accuracy_score(truth.kinds, kinds)),
        "mark": float(balanced_accuracy_score(truth.marks, marks)),
        "both": float(np.mean([right[truth.cells == cell].mean() for cell in np.unique(truth.cells)])),
        "variety": spread(images, truth.cells, real.images, real.cells),
    }
