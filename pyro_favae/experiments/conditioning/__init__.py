"""A VAE of faces, conditioned on attributes after it was trained."""

from pyro_favae.experiments.conditioning.run import run_conditioning

__all__ = ["run_conditioning"]
