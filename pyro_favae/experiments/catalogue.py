"""The two papers' experiments, by the names that ``pyro-favae reproduce`` takes."""

from collections.abc import Mapping

from pyro_favae.experiments.conditioning import run_conditioning
from pyro_favae.experiments.domain_adaptation import run_domain_adaptation
from pyro_favae.experiments.experiment import Experiment, Size
from pyro_favae.experiments.influence.celeba import influence_celeba
from pyro_favae.experiments.influence.eeg import influence_eeg
from pyro_favae.experiments.influence.mnist import influence_mnist
from pyro_favae.experiments.transfer import run_transfer

__all__ = ["EXPERIMENTS", "Experiment", "Size"]

EXPERIMENTS: Mapping[str, Experiment] = {
    "conditioning": run_conditioning,
    "domain-adaptation": run_domain_adaptation,
    "influence-celeba": influence_celeba,
    "influence-eeg": influence_eeg,
    "influence-mnist": influence_mnist,
    "transfer": run_transfer,
}
