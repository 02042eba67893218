"""The two papers' experiments, by the names that ``pyro-favae reproduce`` takes."""

from collections.abc import Mapping

from pyro_favae.experiments.conditioning import run_conditioning
from pyro_favae.experiments.experiment import Experiment, Size

__all__ = ["EXPERIMENTS", "Experiment", "Size"]

EXPERIMENTS: Mapping[str, Experiment] = {
    "conditioning": run_conditioning,
}
