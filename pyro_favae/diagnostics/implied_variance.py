"""What the fitted model itself says of how much each factor explains, with the uncertainty of the weights."""

import torch
from torch import Tensor

from pyro_favae.results import Fit

BLOCK = 2**22  # weights drawn at a time, so that memory does not grow with the number of draws


@torch.no_grad()
def implied_shares(fit: Fit, view: str, draws: int, seed: int = 0) -> Tensor:
    """Draws from q(W) of the share of a view's variance that each factor explains, (draws, K).

    Σ_d w_dk (W C)_dk / Σ_d [ (W C Wᵀ)_dd + E[1/τ_d] + link ], C the covariance of the factors of a row of which
    nothing is known, the identity for standard normal ones: what correlated factors explain together is split
    equally. link: π²/3 for a binary view, π²/6 for a class, 0 elsewhere. It needs no data, and so does not flatter
    the rows that were learnt from.
    """
    posterior = fit.posterior.view(view)
    mean, covariance = posterior.weights
    root = torch.linalg.cholesky(covariance[:, :-1, :-1])
    spread = fit.guide.infer({}, 1).spread()[0]
    noise = posterior.noise.mean_inverse.expand(len(mean)).sum()
    noise = noise + len(mean) * fit.model.emission(view).link_variance
    generator = torch.Generator(device=mean.device).manual_seed(seed)
    shares = []
    for n in torch.arange(draws).split(max(1, BLOCK // mean.numel())):
        shape = (len(n), *mean[:, :-1].shape)
        normal = torch.randn(shape, generator=generator, dtype=mean.dtype, device=mean.device)
        weights = mean[:, :-1] + (root @ normal[..., None])[..., 0]
        explained = (weights * (weights @ spread)).sum(1)
        shares.append(explained / (explained.sum(1, keepdim=True) + noise))
    return torch.cat(shares)
