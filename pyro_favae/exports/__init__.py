"""A fit for other libraries."""

from pyro_favae.exports.arviz import to_arviz

__all__ = ["to_arviz"]
