"""A step of a sampler along a scale that two groups of quantities share, one growing as the other shrinks."""

import torch
from torch import Tensor


def draw_scale(exponent: float, up: Tensor, down: Tensor) -> Tensor:
    """A Metropolis step from 1 that leaves u^(exponent − 1) exp(−up u − down / u) as it is, element by element.

    The proposal is the Gaussian in log u that fits at the mode, whichever u it starts from, as a move along an orbit
    needs. up, down: positive.
    """
    bend = (exponent**2 + 4 * up * down).sqrt()
    larger = exponent + bend if exponent > 0 else 4 * up * down / (bend - exponent)
    mode, spread = (larger / (2 * up)).log(), bend**-0.5
    proposed = mode + spread * torch.randn_like(mode)

    def surplus(log: Tensor) -> Tensor:
        """Log density less that of the proposal, up to a constant."""
        return exponent * log - up * log.exp() - down * (-log).exp() + ((log - mode) / spread).square() / 2

    accepted = torch.rand_like(mode).log() < surplus(proposed) - surplus(torch.zeros_like(mode))
    return torch.where(accepted, proposed, 0.0).exp()
