"""Loaders of well-known data, and the small sets that need no download."""

from pyro_favae.datasets import eeg
from pyro_favae.datasets.attributed import AttributedImages
from pyro_favae.datasets.attributes import digit_attributes, one_hot
from pyro_favae.datasets.cartoon import load_cartoons
from pyro_favae.datasets.celeba import load_celeba
from pyro_favae.datasets.digits import load_digits
from pyro_favae.datasets.field import Field
from pyro_favae.datasets.labelled import LabelledImages
from pyro_favae.datasets.mnist import load_mnist

__all__ = [
    "AttributedImages",
    "Field",
    "LabelledImages",
    "digit_attributes",
    "eeg",
    "load_cartoons",
    "load_celeba",
    "load_digits",
    "load_mnist",
    "one_hot",
]
