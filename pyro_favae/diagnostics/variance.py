"""How much of each view the shared factors explain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data import prepare
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.results import Fit
from pyro_favae.results.predictive import inferred


def variance_explained(fit: Fit, data: Mapping[str, Any]) -> pd.DataFrame:
    """Share of the variance of each view's latents that each factor explains on its own, views × factors.

    R²_mk = 1 − Σ|z − ḡ_k w_k|² / Σ|z|² with z and ḡ the posterior means, centred over the rows that have view m,
    as in MOFA. Never above 1; below 0 where the factor alone, without those it offsets, fits worse than none.
    Correlated factors share what they explain, so a row need not add up to its total, which is in
    ``.attrs["total"]`` by view.

    A view's latents are its data (in the model's units) for a real view, the encoder's means for an image, and
    logits for a binary view. Logits are inferred with the factors' help and have no noise of their own: there
    the share says how the factors divide a view, not how well they predict it.
    """
    moments = _moments(fit, data)
    shares = torch.stack([view.by_factor(fit.posterior.view(name).weights.weights) for name, view in moments])
    frame = pd.DataFrame(shares.cpu().numpy(), index=_views(fit)).rename_axis(columns="factor")
    frame.attrs["total"] = _totals(fit, moments)
    return frame


def total_variance_explained(fit: Fit, data: Mapping[str, Any]) -> pd.Series:
    """Share of the variance of each view's latents that all factors explain together; see the function above."""
    return pd.Series(_totals(fit, _moments(fit, data)), name="total").rename_axis("view")


@dataclass
class _Moments:
    """Sums over the rows that have a view; latents are taken from the view's bias, so that no digits cancel."""

    n: Tensor
    z: Tensor  # (D,)
    g: Tensor  # (K,)
    zz: Tensor  # ()    Σ |z|²
    zg: Tensor  # (D, K)
    gg: Tensor  # (K, K)

    @classmethod
    def of(cls, view: ViewRows, rows: Rows) -> "_Moments":
        """The sums over a chunk of rows."""
        mask = view.mask[:, None]
        z = mask * (view.latent_means(rows) - view.weights.bias)
        g = mask * rows.factors
        return cls(view.mask.sum(), z.sum(0), g.sum(0), z.square().sum(), z.mT @ g, g.mT @ g)

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def by_factor(self, weights: Tensor) -> Tensor:
        """R² of each factor alone, (K,), for weights (D, K)."""
        total, cross, scatter = self._centred()
        gain = 2 * (weights * cross).sum(0) - scatter.diagonal() * weights.square().sum(0)
        return gain / total

    def together(self, weights: Tensor) -> Tensor:
        """R² of all factors, ()."""
        total, cross, scatter = self._centred()
        return (2 * (weights * cross).sum() - ((weights @ scatter) * weights).sum()) / total

    def _centred(self) -> tuple[Tensor, Tensor, Tensor]:
        total = self.zz - self.z.square().sum() / self.n
        cross = self.zg - torch.outer(self.z, self.g) / self.n
        return total, cross, self.gg - torch.outer(self.g, self.g) / self.n


@torch.no_grad()
def _moments(fit: Fit, data: Mapping[str, Any]) -> list[tuple[str, _Moments]]:
    """By view, in order; a chunk of rows at a time."""
    sums = None
    for rows in inferred(fit.guide, prepare(fit.declaration, data)):
        part = [_Moments.of(view, rows) for view in rows.views]
        sums = part if sums is None else [a + b for a, b in zip(sums, part, strict=True)]
    return list(zip(fit.posterior.names, sums, strict=True))


def _totals(fit: Fit, moments: list[tuple[str, _Moments]]) -> dict[str, float]:
    return {name: float(view.together(fit.posterior.view(name).weights.weights)) for name, view in moments}


def _views(fit: Fit) -> pd.Index:
    return pd.Index(fit.posterior.names, name="view")
