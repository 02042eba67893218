"""Two domains of images translated into one another by what they share."""

from pyro_favae.experiments.domain_adaptation.run import run_domain_adaptation

__all__ = ["run_domain_adaptation"]
