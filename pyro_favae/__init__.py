"""Factor-analysis variational autoencoders in Pyro."""

__version__ = "0.1.0"
