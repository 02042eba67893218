"""Means and variances of what is observed, a chunk of rows at a time, without loss of digits to a large mean."""

import torch
from torch import Tensor

from pyro_favae.models.views.base import Moments


def moments_of(values: Tensor, observed: Tensor) -> Moments:
    """Moments of values (rows, D), zero where they are not observed; observed (rows, 1) or (rows, D)."""
    count = observed.sum(0).to(torch.float64).expand(values.shape[1])
    mean = values.sum(0) / count.clamp_min(1)
    deviation = (values - mean) * observed
    variance = deviation.square().sum(0) / count.clamp_min(1)
    return Moments(mean, variance, values.abs().amax(0), count)


def merged(first: Moments, second: Moments) -> Moments:
    """Chan, Golub and LeVeque's update of means and variances."""
    count = first.count + second.count
    share = second.count / count.clamp_min(1)
    gap = second.mean - first.mean
    variance = first.variance * (1 - share) + second.variance * share + share * (1 - share) * gap.square()
    largest = torch.maximum(first.largest, second.largest)
    return Moments(first.mean + share * gap, variance, largest, count)
