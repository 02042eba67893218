"""What a classifier of one domain's real images sees in translated ones."""

from dataclasses import dataclass

import numpy as np

from pyro_favae.experiments.conditioning.cells import evened_out
from pyro_favae.experiments.domain_adaptation.domains import Domain
from pyro_favae.experiments.domain_adaptation.plans import Plan
from pyro_favae.experiments.domain_adaptation.training import both_ways
from pyro_favae.experiments.judge import Judge, train_judge


@dataclass(frozen=True, eq=False)
class DomainJudge:
    """A classifier with one output a kind, and one for the mark."""

    judge: Judge

    def verdict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The likeliest kind of images (n, C, H, W), and whether they have the mark, (n,) each."""
        probabilities = self.judge.predict(images)
        return probabilities[:, :-1].argmax(1), (probabilities[:, -1] > 0.5).astype(int)


def train_domain_judge(domain: Domain, plan: Plan, seed: int = 0) -> DomainJudge:
    """Train on real images, every combination as often, those of no kind among them."""
    rows = evened_out(domain.labels, 1, seed)
    images = both_ways(domain.images[rows], plan)
    labels = np.tile(domain.labels.to_numpy()[rows], (len(images) // len(rows), 1))
    return DomainJudge(train_judge(images, labels, epochs=plan.judge_epochs, seed=seed))
