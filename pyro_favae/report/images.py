"""What can be looked at: images redrawn, made up, changed."""

from collections.abc import Iterator

import numpy as np
import torch

from pyro_favae import plots
from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, heading, picture

SHOWN, EDITED, PAIRS, DRAWN = 8, 4, 2, 9  # images, images changed, pairs to go between, images made up
MOST_ROWS = 6  # of factors moved, of attributes set


def images(material: Material) -> Section | None:
    """Pictures of every view that holds images."""
    parts = [part for name in material.images for part in (heading(name), *_of_view(material, name))]
    return Section("Images", tuple(parts)) if parts else None


def _of_view(material: Material, name: str) -> Iterator[str]:
    fit, examples = material.fit, _examples(material, name)
    if len(examples):
        yield picture(
            plots.reconstructions(fit, name, examples),
            "Images of the data, and what is left of them after the bottleneck of the latent dimensions.",
        )
        if attributes := _attributes(material, name):
            yield picture(
                plots.edits(fit, name, examples[:EDITED], dict.fromkeys(attributes, 1)),
                "The same images with one attribute switched on. Where they had it already, little should change.",
            )
    if len(examples) >= 2 * PAIRS:
        yield picture(
            plots.interpolation(fit, name, examples[:PAIRS], examples[PAIRS : 2 * PAIRS]),
            "The way from one image to another, through the latent space.",
        )
    if len(used := material.active(name)):
        start = examples[:1] if len(examples) else None
        yield picture(
            plots.traversal(fit, name, start, factors=used[:MOST_ROWS].tolist()),
            "One factor moved at a time, from three standard deviations down to three up.",
        )
    yield picture(
        plots.generated(fit, name, n=DRAWN, seed=0), "Images that never were: drawn from the model's prior."
    )


def _examples(material: Material, name: str) -> np.ndarray:
    """Some rows that have the view, (n, C, H, W)."""
    if material.dataset is None:
        return np.empty((0, *material.views[name].event_shape))
    rows = material.dataset.views[name]
    positions = torch.nonzero(rows.present)[:SHOWN, 0]
    return rows.batch(positions, torch.device("cpu"))[0].numpy()


def _attributes(material: Material, name: str) -> list[str]:
    """Of the first binary view that shares a factor with the images."""
    used = material.fit.active.loc[name]
    for other, view in material.views.items():
        if view.binary and (used & material.fit.active.loc[other]).any():
            return list(view.feature_names[:MOST_ROWS])
    return []
