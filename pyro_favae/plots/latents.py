"""Latent dimensions of a plain VAE, moved one at a time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pyro_favae.diagnostics import MutualInformation
from pyro_favae.errors import SpecError
from pyro_favae.plots.mosaic import images as draw_images
from pyro_favae.results import Pretrained


def latent_traversal(
    vae: Pretrained,
    data: Any,
    dimensions: Sequence[int],
    information: MutualInformation | None = None,
    *,
    steps: int = 7,
    span: float = 3.0,
    ax: Axes | None = None,
) -> Axes:
    """One row of images for each latent dimension, as it takes values from −span to span, the others as they are.

    Starts from the latents of the first row of ``data`` (rows, C, H, W). information: puts each dimension's Î into
    its title. Influential-factors paper, Figure 3.
    """
    grid = traversed(vae, data, dimensions, steps=steps, span=span)
    nats = None if information is None else information.nats
    titles = [f"dimension {h}" if nats is None else f"{h}: {nats[h]:.2f} nats" for h in dimensions]
    values = np.linspace(-span, span, steps)
    return draw_images(
        grid,
        row_titles=titles,
        column_titles=[f"{value:+.3g}" if value else "0" for value in values],
        title="one latent dimension moved",
        ax=ax,
    )


def traversed(
    vae: Pretrained, data: Any, dimensions: Sequence[int], *, steps: int = 7, span: float = 3.0
) -> np.ndarray:
    """What is decoded along each dimension from the first row of data, (dimensions, steps, *event)."""
    wrong = [h for h in dimensions if not 0 <= h < vae.view.latent_dim]
    if wrong or not len(dimensions):
        raise SpecError(f"dimensions {list(dimensions)}: expected some of 0 to {vae.view.latent_dim - 1}")
    start, _ = vae.encode(data[:1])
    latents = np.tile(start, (len(dimensions), steps, 1))
    for row, dimension in enumerate(dimensions):
        latents[row, :, dimension] = np.linspace(-span, span, steps)
    decoded = vae.decode(latents.reshape(-1, vae.view.latent_dim))
    return decoded.reshape(len(dimensions), steps, *decoded.shape[1:])
