"""Where closed-form views start: probabilistic principal components of all of them together.

Tipping and Bishop (1999), found by subspace iteration from sums over batches, so that nothing of size N is held.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce

import torch
from torch import Tensor

from pyro_favae.data.moments import merged, moments_of
from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.processes import ALONE, Processes
from pyro_favae.inference.views.gaussian import GaussianRows

SUBSPACE_PASSES = 4
KEPT_BYTES = 2**26  # of latents that are kept from pass to pass instead of being read again
LEAST_NOISE = 1e-4  # of a view's variance: a constant feature does not start certain

Batches = Callable[[], Iterable[Sequence[GaussianRows]]]


@torch.no_grad()
def start_from_components(
    views: Sequence[ViewPosterior],
    batches: Batches,
    n_rows: int,
    generator: torch.Generator,
    processes: Processes = ALONE,
) -> None:
    """Set q(W, b), q(α) and q(τ) of views from those components of their latents that stand out of noise.

    The weights of other factors stay as they are, small and random: components of noise would be factors that fit
    it, and that learning is slow to let go. batches: returns this process's rows of the views a batch at a time,
    ``n_rows`` in all processes, as Gaussians; what is missing counts as the view's mean. Each view is scaled to the
    same variance a feature first.
    """
    sizes = [view.n_features for view in views]
    moments = processes.merged(reduce(merged, (moments_of(*_latents(rows)) for rows in batches())))
    mean, variance = moments.mean, moments.variance
    scale = torch.cat([part.mean().sqrt().expand_as(part) for part in variance.split(sizes)])
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    factors = views[0].weights_mean.shape[1] - 1
    image = torch.randn(len(mean), min(factors, len(mean)), generator=generator, dtype=torch.float64).to(mean)

    def standard() -> Iterator[Tensor]:
        """Latents less their mean over their scale, zero where missing, (rows, ΣD) a batch."""
        for latents, mask in map(_latents, batches()):
            yield (latents - mean) * mask / scale

    kept = list(standard()) if 8 * n_rows * len(mean) <= KEPT_BYTES else None
    for _ in range(SUBSPACE_PASSES):
        basis = torch.linalg.qr(image).Q
        products = (part.mT @ (part @ basis) for part in kept or standard())
        (image,) = processes.summed([sum(products) / n_rows])
    values, vectors = torch.linalg.eigh(basis.mT @ image)
    rest = (variance / scale.square()).sum() - values.sum()
    noise = (rest / max(1, len(mean) - len(values))).clamp_min(LEAST_NOISE)
    edge = noise * (1 + (len(mean) / n_rows) ** 0.5) ** 2  # Marchenko and Pastur's, of noise alone
    signal = values > edge
    weights = (basis @ vectors)[:, signal] * (values - noise)[signal].sqrt() * scale[:, None]
    for view, part, centre, spread in zip(
        views, weights.split(sizes), mean.split(sizes), variance.split(sizes), strict=True
    ):
        _place(view, part, centre, spread)


def _place(view: ViewPosterior, weights: Tensor, bias: Tensor, variance: Tensor) -> None:
    """All variance counts as noise at first: what is left over by the components would be fitted by idle factors."""
    view.weights_mean[:, : weights.shape[1]] = weights
    view.weights_mean[:, -1] = bias
    noise = variance.clamp_min(LEAST_NOISE * variance.mean())
    view.noise.start(noise.where(noise > 0, 1.0))  # constant data have no scale
    view.relevance.update(view.weights.moments)


def _latents(rows: Sequence[GaussianRows]) -> tuple[Tensor, Tensor]:
    """Latents of all views, zero where missing, and what is observed of them, (rows, ΣD)."""
    return (
        torch.cat([view.mean for view in rows], 1),
        torch.cat([view.mask.expand_as(view.mean) for view in rows], 1),
    )
