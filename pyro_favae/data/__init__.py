"""Data in: from what users hold to aligned rows, missing views marked."""

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.data.prepare import given_views, prepare, require_view

__all__ = ["Batch", "Dataset", "given_views", "prepare", "require_view"]
