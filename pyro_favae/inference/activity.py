"""Which factors a view uses: the mask that relevance determination implies."""

import torch
from torch import Tensor

from pyro_favae.inference.posterior import Posterior


@torch.no_grad()
def determination(posterior: Posterior) -> Tensor:
    """How far a view's weights on a factor stand out of their uncertainty, (M, K) in [0, 1].

    |w̄_k|² / Σ_d <w_dk²>: near 1 for a factor that the view uses; it goes to 0 as relevance determination
    shrinks the weights' means to nothing, long before the precisions have diverged.
    """
    return torch.stack(
        [view.weights.weights.square().sum(0) / view.squares.clamp_min(1e-300) for view in posterior.views]
    )


def active_factors(posterior: Posterior, threshold: float = 0.5) -> Tensor:
    """Booleans (M, K): factors on which a view's weights are more signal than uncertainty.

    A mask over the result, not a deletion: a factor that regains its weights is active again.
    """
    return determination(posterior) > threshold
