"""From one view to another by what the two share, all else kept."""

import numpy as np
import torch

import pyro_favae as fv
from pyro_favae.results.latent_moves import decode, latent_means

LEAST = 0.2  # canonical correlation below which nothing is carried over


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
    prior = np.eye(told.mean.shape[1])
    root_told, back_told = roots(prior - told.covariance[0])
    root_own, back_own = roots(prior - own.covariance[0])
    axes_told, correlations, axes_own = np.linalg.svd(root_told @ root_own)
    shared = correlations > LEAST
    wished = told.mean @ back_told @ axes_told[:, shared]
    seen = own.mean @ back_own @ axes_own.T[:, shared]
    weights = fit.posterior.view(target).weights.weights.cpu().numpy()
    move = (strength * wished - seen) @ (weights @ back_own @ axes_own.T[:, shared]).T
    latents = latent_means(fit.guide, {target: start})
    return decode(fit.guide, target, latents + torch.as_tensor(move, device=latents.device))


def roots(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The square root of a covariance and the root's inverse, without directions that hardly vary."""
    values, axes = np.linalg.eigh(matrix)
    kept = values > 1e-3
    values, axes = values[kept], axes[:, kept]
    return (axes * values**0.5) @ axes.T, (axes * values**-0.5) @ axes.T
