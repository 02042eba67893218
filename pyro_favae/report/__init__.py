"""A page about a fit that a colleague can read."""

from pyro_favae.report.writing import report

__all__ = ["report"]
