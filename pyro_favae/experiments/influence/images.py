"""Discovery and generation on images: what the MNIST and the CelebA experiment have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import pyro_favae as fv
from pyro_favae.experiments.influence.discovery import INFLUENTIAL, USED, Discovery, discover
from pyro_favae.experiments.influence.generation import generation_by_share, squared_error
from pyro_favae.experiments.influence.published import TABLE_2
from pyro_favae.experiments.influence.shares import keep
from pyro_favae.experiments.influence.tables import markdown
from pyro_favae.models.views.network import NetworkView

DRAWN, IGNORED, IMAGES = 8, 3, 6  # influential and ignored factors, and images, in pictures
FACTORS = 40  # in the picture of the indicator


@dataclass(frozen=True, eq=False)
class ImageStudy:
    """A VAE of images (n, C, H, W) in [0, 1], examined on images that it has not seen."""

    vae: fv.Pretrained
    images: np.ndarray
    discovery: Discovery
    generation: pd.DataFrame

    @classmethod
    def of(cls, vae: fv.Pretrained, images: np.ndarray) -> "ImageStudy":
        """Experiments 1 and 2."""
        discovery = discover(vae, images)
        return cls(vae, images, discovery, generation_by_share(vae, images, discovery))

    @property
    def explained(self) -> float:
        """Share of the images' variance about their mean that all factors reconstruct, R²."""
        return float(1 - self.generation["mse"].loc[100] / squared_error(self.images.mean(0), self.images))

    def figures(self, curves: dict[str, Sequence[float]]) -> dict[str, Figure]:
        """Indicator, traversal, reconstructions and error by share; curves: to draw beside the error."""
        information, table = self.discovery.information, self.generation
        ranking = information.ranking
        factors = [*ranking[:DRAWN], *ranking[-IGNORED:]]
        errors = {"this fit": table["mse"], "guide, after Theorem 4": table["guide"], **curves}
        pictures = {
            "indicator": fv.plots.influence(information, most=FACTORS),
            "traversal": fv.plots.latent_traversal(self.vae, self.images, factors, information),
            "generation": fv.plots.shares(table.index, errors, nats=table["nats"]),
            "reconstructions": self._reconstructions(),
        }
        return {name: axes.figure for name, axes in pictures.items()}

    def _reconstructions(self):
        """Images, and what is decoded from shares of their factors. Figure 4."""
        means, ranking = self.discovery.means[:IMAGES], self.discovery.information.ranking
        kept = [keep(means, ranking[:count]) for count in self.generation["factors"]]
        columns = [self.images[:IMAGES], *map(self.vae.decode, kept)]
        titles = ["image", *(f"{share:g} %" for share in self.generation.index)]
        return fv.plots.images(
            np.stack(columns, 1), column_titles=titles, title="top share of the factors kept"
        )


def setting_of(vae: fv.Pretrained, learnt: int, tested: int, seed: int, what: str = "images") -> str:
    """One paragraph on how a VAE was learnt."""
    view = cast(NetworkView, vae.view)
    return (
        f"{learnt:,} {what}, {view.latent_dim} latents, network {view.network!r}, β = {view.beta:g}, decoder "
        f"{view.likelihood!r}, {len(vae.history)} passes, seed {seed}; measured on {tested:,} others."
    )


def discovery_section(discovery: Discovery) -> str:
    """Table of what was discovered."""
    information, n = discovery.information, len(discovery.change)
    influential, used = len(discovery.influential), int(discovery.used.sum())
    rows = [
        (
            "information, all factors",
            f"{information.total:.1f} ± {2 * information.total_standard_error:.1f} nats",
        ),
        ("what factors have in common counted once", f"{information.joint:.1f} nats"),
        ("its bound, divergence from the prior", f"{information.bound:.1f} nats"),
        (f"factors above {INFLUENTIAL} nat", f"{influential} of {n}, {influential / n:.0%}"),
        (
            "  share of the information",
            f"{information.nats[discovery.influential].sum() / information.total:.1%}",
        ),
        (f"used factors (without one, {USED:.0%} of the error or more changes)", f"{used} of {n}"),
        ("used above ignored by information", f"{discovery.separation(information.nats):.3f} of the pairs"),
        ("  by the factor's variance", f"{discovery.separation(information.marginal_variance):.3f}"),
        ("  by the variance of the posterior means", f"{discovery.separation(information.variance):.3f}"),
    ]
    return "## Discovery\n\n" + markdown(("", "value"), rows)


def generation_section(table: pd.DataFrame, published: bool) -> str:
    """Table 2, with the paper's own columns where they are of the same data."""
    header = ["top %", "factors", "nats", "squared error", "guide"]
    rows: list[list[object]] = [
        [f"{share:g}", f"{row.factors:g}", f"{row.nats:.1f}", f"{row.mse:.1f}", f"{row.guide:.1f}"]
        for share, row in table.iterrows()
    ]
    if published:
        header += ["paper: nats", "paper: squared error"]
        rows = [[*row, *TABLE_2[share]] for row, share in zip(rows, table.index, strict=True)]
    return "## Generation\n\n" + markdown(header, rows)


def numbers_of(study: ImageStudy) -> dict:
    """Everything measured, for a file."""
    discovery = study.discovery
    return {
        "factors": {
            **discovery.information.to_frame().to_dict("list"),
            "variance_of_latent": discovery.information.marginal_variance.tolist(),
            "change": discovery.change.tolist(),
        },
        "generation": study.generation.reset_index().to_dict("list"),
        "explained": study.explained,
    }
