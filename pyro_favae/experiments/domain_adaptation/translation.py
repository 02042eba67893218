"""From one view to another by what the two share, all else kept."""

import numpy as np
import torch

import pyro_favae as fv
from pyro_favae.results.latent_moves import decode, latent_means

LEAST = 0.3  # canonical correlation below which nothing is carried over


def translate(
    fit: fv.Fit, source: str, images: np.ndarray, target: str, start: np.ndarray, strength: float = 1.0
) -> np.ndarray:
    """Rows of ``target`` that say of what is shared what ``images`` say, and else are as ``start``, (n, C, H, W).

    A view says ḡ = E[g | z] of the factors; over rows that has the covariance R = I - Σ. What two views say goes
    together along the singular vectors of R_s^½ R_t^½, whose values are canonical correlations (Bach, Jordan, 2005).
    The latents of ``start`` move by W̄ Δg so that the target's canonical variates become ``strength`` times those of
    the source: as many standard deviations from the mean, though drawings show hair more plainly than photographs.
    Latents expected of the source alone would be half of everything, and latents drawn at random may say anything.

    images, start: (n, C, H, W), row by row. For standard normal factors.
    """
    told, own = fit.transform({source: images}), fit.transform({target: start})
    to_told, to_own, _ = canonical_axes(told.covariance[0], own.covariance[0])
    weights = fit.posterior.view(target).weights.weights.cpu().numpy()
    move = (strength * told.mean @ to_told - own.mean @ to_own) @ (weights @ to_own).T
    latents = latent_means(fit.guide, {target: start})
    return decode(fit.guide, target, latents + torch.as_tensor(move, device=latents.device))


def canonical_axes(told: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The canonical variates of two views, given the posterior covariances (K, K) of the factors given either.

    Returns axes (K, S) along which expected factors are the variates of the first view, the same of the second, and
    the S correlations above ``LEAST``, largest first.
    """
    prior = np.eye(len(told))
    (root_told, back_told), (root_own, back_own) = roots(prior - told), roots(prior - own)
    first, correlations, second = np.linalg.svd(root_told @ root_own)
    shared = correlations > LEAST
    return back_told @ first[:, shared], back_own @ second.T[:, shared], correlations[shared]


def roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The square root of a covariance and the root's inverse, without directions that hardly vary."""
    values, axes = np.linalg.eigh(matrix)
    kept = values > 1e-3
    values, axes = values[kept], axes[:, kept]
    return (axes * values**0.5) @ axes.T, (axes * values**-0.5) @ axes.T
