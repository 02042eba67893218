"""The paper's figures 12, 13 and 14."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import pyro_favae as fv
from pyro_favae.plots.canvas import COLOURS, MARKERS, figure_of

SHOWN, RELEVANT = 5, 10  # images, and latent dimensions
MOVES = np.linspace(-6, 6, 7)  # standard deviations of a latent
TERMS = {"likelihood": "reconstruction, nats an image", "divergence": "KL from its prior, nats an image"}


def terms(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Figure 12: reconstruction and divergence of held-out images against epochs."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
    for ax, (column, label) in zip(axes, TERMS.items(), strict=True):
        for (name, curve), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
            ax.plot(curve.index, curve[column], label=name, color=colour, marker=marker, markersize=3)
        ax.set(xlabel="epoch of the networks", ylabel=label)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    last = [curve["likelihood"] for curve in curves.values()]
    axes[0].set_ylim(
        bottom=min(values.iloc[len(values) // 8] for values in last)
    )  # the first epochs dwarf the rest
    axes[0].legend()
    return figure


def reconstructed(images: np.ndarray, reconstructions: Mapping[str, np.ndarray]) -> Figure:
    """Figure 13: held-out images, and what each model makes of them."""
    rows = [images[:SHOWN], *(drawn[:SHOWN] for drawn in reconstructions.values())]
    return figure_of(fv.plots.images(np.stack(rows), row_titles=["held out", *reconstructions]))


def traversed(vae: fv.Pretrained, image: np.ndarray, dimensions: Sequence[int], title: str) -> Figure:
    """Figure 14: one latent dimension a row, moved by standard deviations of all images' latents from where it is."""
    latents = np.repeat(vae.encode(image[None])[0], len(dimensions) * len(MOVES), 0)
    latents = latents.reshape(len(dimensions), len(MOVES), -1)
    for row, dimension in zip(latents, dimensions, strict=True):
        row[:, dimension] += MOVES
    decoded = vae.decode(latents.reshape(-1, latents.shape[-1])).reshape(*latents.shape[:2], *image.shape)
    axes = fv.plots.images(
        decoded,
        row_titles=[f"z{dimension}" for dimension in dimensions],
        column_titles=[f"{move:+g}" if move else "as it is" for move in MOVES],
        title=title,
    )
    return figure_of(axes)
