"""What a small VAE has learnt, passed on to a deeper one: Section 3.3 of the FA-VAE paper."""

from pyro_favae.experiments.transfer.run import run_transfer

__all__ = ["run_transfer"]
