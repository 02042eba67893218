"""The paper's figures 4, 5 and A.15."""

from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import pyro_favae as fv
from pyro_favae.experiments.conditioning.cells import cells_of, frequent
from pyro_favae.experiments.conditioning.plans import Split
from pyro_favae.experiments.conditioning.training import ATTRIBUTE, FACE, Conditioned
from pyro_favae.plots.canvas import figure_of

DRAWN = 8  # images generated for each combination


def draw_figures(conditioned: Conditioned, split: Split, out: Path, seed: int = 0) -> None:
    """Write `bound.png` (Figures 4a and 4b), `edited.png` (5) and `generated.png` (A.15) into ``out``."""
    figures = {
        "bound": bounds(conditioned),
        "edited": edits(conditioned, split),
        "generated": generated(conditioned, seed),
    }
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=120)
        plt.close(figure)


def bounds(conditioned: Conditioned) -> Figure:
    """The bound of the VAE as it is trained, and of the model that it is plugged into, against seconds."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    before, after = conditioned.vae.history, conditioned.fit.history
    alone, plugged_in = conditioned.rows
    shown = before.iloc[1:]  # the first pass dwarfs the rest
    axes[0].plot(shown["seconds"], shown["elbo"] / alone, label="bound")
    axes[0].plot(shown["seconds"], shown["likelihood"] / alone, label="reconstruction")
    axes[0].set_title("VAE alone")
    axes[1].plot(after["seconds"], after["elbo"] / plugged_in, label="bound, attributes included")
    axes[1].plot(after["seconds"], after[f"{FACE}.likelihood"] / plugged_in, label="reconstruction")
    axes[1].set_title("plugged in and conditioned")
    for ax in axes:
        ax.set(xlabel="seconds", ylabel="nats an image")
        ax.legend()
    return figure


def edits(conditioned: Conditioned, split: Split) -> Figure:
    """The best reconstructed held-out image of each frequent combination, each attribute switched on and off."""
    cells = cells_of(split.test_attributes)
    errors = np.square(conditioned.fit.reconstruct(FACE, split.test_images) - split.test_images).mean(
        (1, 2, 3)
    )
    best = [
        np.flatnonzero(cells == cell)[errors[cells == cell].argmin()]
        for cell in frequent(split.test_attributes)
    ]
    images = split.test_images[best]
    changes = [(name, on) for name in split.test_attributes.columns for on in (True, False)]
    columns = [images, conditioned.fit.reconstruct(FACE, images)]
    columns += [conditioned.edit(images, name, on) for name, on in changes]
    titles = [
        "original",
        "recon-\nstructed",
        *(f"{name[-8:]}\n{'on' if on else 'off'}" for name, on in changes),
    ]
    return figure_of(fv.plots.images(np.stack(columns, 1), column_titles=titles))


def generated(conditioned: Conditioned, seed: int) -> Figure:
    """Images drawn for every combination of attributes."""
    names = conditioned.fit.declaration.views[ATTRIBUTE].feature_names
    vectors = np.array(list(product((0.0, 1.0), repeat=len(names))))
    titles = ["\n".join(name for name, on in zip(names, row, strict=True) if on) or "none" for row in vectors]
    given = conditioned.given(vectors)
    return figure_of(fv.plots.generated(conditioned.fit, FACE, given, n=DRAWN, titles=titles, seed=seed))
