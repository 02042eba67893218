"""Which factors a view uses: the mask that relevance determination implies."""

import torch
from scipy.stats import chi2
from torch import Tensor

from pyro_favae.inference.posterior import Posterior

#: how often a factor that a view has no use for may look used
FALSE_ALARM = 1e-4


@torch.no_grad()
def determination(posterior: Posterior) -> Tensor:
    """How far a view's weights on a factor stand out of their uncertainty, (M, K) in [0, 1].

    |w̄_k|² / Σ_d <w_dk²>: near 1 for a factor that the view uses; it goes to 0 as relevance determination
    shrinks the weights' means to nothing, long before the precisions have diverged.
    """
    return torch.stack(
        [view.weights.weights.square().sum(0) / view.squares.clamp_min(1e-300) for view in posterior.views]
    )


def thresholds(posterior: Posterior) -> Tensor:
    """How much determination makes a view use a factor, (M,): max(½, 1 − D / χ²_D quantile).

    The estimated weights of a useless factor have squares of about χ²_D / D posterior variances, which relevance
    determination turns into a determination of 1 − D / χ²_D: chance alone passes the threshold once in 10,000.
    """
    sizes = torch.tensor([view.n_features for view in posterior.views], dtype=torch.float64)
    quantiles = torch.as_tensor(chi2.isf(FALSE_ALARM, sizes.numpy()))
    return (1 - sizes / quantiles).clamp_min(0.5)


@torch.no_grad()
def active_factors(posterior: Posterior) -> Tensor:
    """Booleans (M, K): factors on which a view's weights stand out of their uncertainty.

    A mask over the result, not a deletion: a factor that regains its weights is active again.
    """
    degree = determination(posterior)
    return degree > thresholds(posterior).to(degree)[:, None]
