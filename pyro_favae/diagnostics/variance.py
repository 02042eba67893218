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
    """Share of the variance of each view's latents that each factor explains, views × factors.

    Σ ḡ_k w_kᵀ(2z − Σ_j ḡ_j w_j) / Σ|z|² with z and ḡ the posterior means, centred over the rows that have view m:
    what correlated factors explain together is split equally, so that a row adds up to its total, R² = 1 −
    Σ|z − Σ_k ḡ_k w_k|² / Σ|z|², in ``.attrs["total"]`` by view, which is never above 1. With uncorrelated factors
    this is MOFA's R² of each factor alone. A factor that mostly offsets others can be below 0.

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
    """Sums over what is observed of a view, for each feature where single entries are missing.

    Latents are taken from the view's bias, so that no digits cancel.
    """

    n: Tensor  # (1 or D,)
    z: Tensor  # (D,)
    g: Tensor  # (1 or D, K)
    zz: Tensor  # (D,)  Σ z²
    zg: Tensor  # (D, K)
    gg: Tensor  # (1 or D, K, K)

    @classmethod
    def of(cls, view: ViewRows, rows: Rows) -> "_Moments":
        """The sums over a chunk of rows."""
        mask, g = view.mask, rows.factors
        z = mask * (view.latent_means(rows) - view.view.weights.bias)
        outer = (g[:, :, None] * g[:, None, :]).flatten(1)
        gg = (mask.mT @ outer).unflatten(1, (g.shape[1], g.shape[1]))
        return cls(mask.sum(0), z.sum(0), mask.mT @ g, z.square().sum(0), z.mT @ g, gg)

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(**{name: value + getattr(other, name) for name, value in vars(self).items()})

    def by_factor(self, weights: Tensor) -> Tensor:
        """Each factor's share of R², (K,), for weights (D, K)."""
        total, cross, scatter = self._centred()
        explained = (weights[:, None] @ scatter)[:, 0]
        return (weights * (2 * cross - explained)).sum(0) / total

    def _centred(self) -> tuple[Tensor, Tensor, Tensor]:
        n = self.n.clamp_min(1)
        total = (self.zz - self.z.square() / n).sum()
        cross = self.zg - self.z[:, None] * self.g / n[:, None]
        scatter = self.gg - self.g[:, :, None] * self.g[:, None, :] / n[:, None, None]
        return total, cross, scatter


@torch.no_grad()
def _moments(fit: Fit, data: Mapping[str, Any]) -> list[tuple[str, _Moments]]:
    """By view, in order; a chunk of rows at a time."""
    sums = None
    for rows in inferred(fit.guide, prepare(fit.declaration, data)):
        part = [_Moments.of(view, rows) for view in rows.views]
        sums = part if sums is None else [a + b for a, b in zip(sums, part, strict=True)]
    return list(zip(fit.posterior.names, sums, strict=True))


def _totals(fit: Fit, moments: list[tuple[str, _Moments]]) -> dict[str, float]:
    return {
        name: float(view.by_factor(fit.posterior.view(name).weights.weights).sum()) for name, view in moments
    }


def _views(fit: Fit) -> pd.Index:
    return pd.Index(fit.posterior.names, name="view")
