"""How much of each view the shared factors explain."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal, get_args

import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data import prepare
from pyro_favae.diagnostics.data_variance import data_shares
from pyro_favae.errors import SpecError
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.results import Fit
from pyro_favae.results.predictive import inferred

Scale = Literal["latent", "data"]
ROUNDING = 1e-12  # of a view's squares: less variance than this is none


def variance_explained(fit: Fit, data: Mapping[str, Any], scale: Scale = "latent") -> pd.DataFrame:
    """Share of the variance of each view that each factor explains, views × factors.

    What factors explain together is split equally between them, so that a row adds up to its total,
    ``.attrs["total"]`` by view, which is never above 1. With uncorrelated factors a share is MOFA's R² of the
    factor alone. A factor that mostly offsets others can be below 0; a view that does not vary has NaN.

    scale ``"latent"``: Σ ḡ_k w_kᵀ(2z − Σ_j ḡ_j w_j) / Σ|z|² with z and ḡ the posterior means, centred over the rows
    that have the view; the total is R² = 1 − Σ|z − Σ_k ḡ_k w_k|² / Σ|z|². Latents z are the data (in the model's
    units) of a real view, the encoder's means for an image, and the logits of a binary or categorical view, where
    Σ|z|² gains the link's own variance, π²/3 or π²/6 an entry, as in McKelvey and Zavoina (1975): labels are a coin
    thrown on top of their logits.

    scale ``"data"``: the same of the data in the user's units, pixels, 0 and 1, or one-hot classes, against their
    expectation given the factors (Efron's R² for a binary view). There factors do not add up: a share is half of what
    a factor explains alone plus half of what is lost without it, which for real views is the equal split, and the
    total is that of all factors. One evaluation of each decoder a row, and two a factor.

    Factors are inferred from the same rows, labels included. How well one view is predicted from others is
    :func:`leave_one_view_out`. Raises :class:`SpecError` for another scale.
    """
    shares, totals = _shares(fit, data, scale)
    frame = pd.DataFrame(shares.cpu().numpy(), index=_views(fit)).rename_axis(columns="factor")
    frame.attrs["total"] = dict(zip(fit.posterior.names, totals.tolist(), strict=True))
    return frame


def total_variance_explained(fit: Fit, data: Mapping[str, Any], scale: Scale = "latent") -> pd.Series:
    """Share of the variance of each view that all factors explain together; see the function above."""
    _, totals = _shares(fit, data, scale)
    return pd.Series(totals.cpu().numpy(), index=_views(fit), name="total")


@torch.no_grad()
def _shares(fit: Fit, data: Mapping[str, Any], scale: Scale) -> tuple[Tensor, Tensor]:
    """By view and factor, (M, K), and by view, (M,)."""
    if scale not in get_args(Scale):
        raise SpecError(f"variance_explained: scale is {scale!r}, expected one of {get_args(Scale)}")
    dataset = prepare(fit.declaration, data)
    if scale == "data":
        return data_shares(fit, dataset)
    parts = ([_Moments.of(view, rows) for view in rows.views] for rows in inferred(fit.guide, dataset))
    sums = reduce(lambda total, part: [a + b for a, b in zip(total, part, strict=True)], parts)
    views = []
    for name, view in zip(fit.posterior.names, sums, strict=True):
        weights = fit.posterior.view(name).weights.weights
        views.append(view.by_factor(weights, fit.model.emission(name).link_variance))
    shares = torch.stack(views)
    return shares, shares.sum(1)


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

    def by_factor(self, weights: Tensor, link_variance: float) -> Tensor:
        """Each factor's share of R², (K,), for weights (D, K)."""
        total, cross, scatter = self._centred()
        total = total + link_variance * self.n.expand_as(self.z).sum()
        explained = (weights[:, None] @ scatter)[:, 0]
        return (weights * (2 * cross - explained)).sum(0) / total

    def _centred(self) -> tuple[Tensor, Tensor, Tensor]:
        n = self.n.clamp_min(1)
        total = (self.zz - self.z.square() / n).sum()
        total = torch.where(total > ROUNDING * self.zz.sum(), total, torch.nan)
        cross = self.zg - self.z[:, None] * self.g / n[:, None]
        scatter = self.gg - self.g[:, :, None] * self.g[:, None, :] / n[:, None, None]
        return total, cross, scatter


def _views(fit: Fit) -> pd.Index:
    return pd.Index(fit.posterior.names, name="view")
