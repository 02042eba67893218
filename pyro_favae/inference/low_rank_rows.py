"""Sums over rows whose covariances are a pattern's less a low rank, without a K×K matrix for any row.

With H = C V̄ᵀ τ for the weights V̄ of the latents that are unsure, variances s, and J = W̄ H for those W̄ of logits, a
row's latents move the mean of its factors by H − G T_n J, so that their covariance within a component is

    C + H diag(s) Hᵀ − H Z_n Gᵀ − G Z_nᵀ Hᵀ + G X_n Gᵀ,   Z_n = diag(s) Jᵀ T_n,   X_n = T_n J Z_n − T_n

All that differs from row to row in it is small: s (E,), Z (E, D) and X (D, D).
"""

from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from pyro_favae.inference.low_rank import LowRankCovariance
from pyro_favae.inference.rows import Rows, ViewRows


class LowRankRows(Rows):
    """:class:`Rows` with a :class:`LowRankCovariance`; the same sums."""

    covariance: LowRankCovariance  # of the rows is this kind alone

    @cached_property
    def _unsure(self) -> list[ViewRows]:
        return [view for view in self.views if view.latent_variance is not None]

    @cached_property
    def _variances(self) -> list[Tensor]:
        """Of each of them, (rows, E_m)."""
        return [cast(Tensor, view.latent_variance) for view in self._unsure]

    @cached_property
    def _follow(self) -> Tensor:
        """H, (P, K, E)."""
        shared = self.covariance.shared.matrices
        weights = [view.view.scaled_weights.mT for view in self._unsure]
        return shared @ torch.cat([shared.new_zeros(shared.shape[1], 0), *weights], 1)

    @cached_property
    def _variance(self) -> Tensor:
        """s, (rows, E)."""
        return torch.cat([self.covariance.deviation[:, :0], *self._variances], 1)

    @cached_property
    def _mixed(self) -> Tensor:
        """Z, (rows, E, D)."""
        seen = (self.covariance.logits.weights @ self._follow).mT  # Jᵀ, (P, E, D)
        follow = torch.cat([seen[p] @ self.covariance.correction[rows] for p, rows in self._parts])
        return self._in_order(follow) * self._variance[..., None]

    @cached_property
    def _own(self) -> Tensor:
        """X, (rows, D, D)."""
        seen = self.covariance.logits.weights @ self._follow
        inner = torch.cat([seen[p] @ self._mixed[rows] for p, rows in self._parts])
        return self.covariance.correction @ self._in_order(inner) - self.covariance.correction

    @cached_property
    def _parts(self) -> list[tuple[int, slice | Tensor]]:
        """The rows of each pattern."""
        index, count = self.covariance.shared.index, len(self.covariance.shared.matrices)
        if count == 1:
            return [(0, slice(None))]
        return [(p, (index == p).nonzero()[:, 0]) for p in range(count)]

    def _in_order(self, values: Tensor) -> Tensor:
        """Values of the rows, one pattern after the other, as the rows are."""
        if len(self._parts) == 1:
            return values
        return values[torch.cat([cast(Tensor, rows) for _, rows in self._parts]).argsort()]

    def _totals(self, weights: Tensor, values: Tensor) -> Tensor:
        """Σ_n weights_nj values_n over the rows of each pattern, (P, J, ...)."""
        sums = [weights[rows].mT @ values[rows].flatten(1) for _, rows in self._parts]
        return torch.stack(sums).unflatten(2, values.shape[1:])

    def weighted_moments(self, weights: Tensor) -> Tensor:
        """Σ_n weights_nd <g̃_n g̃_nᵀ> for weights (rows, J): (J, L, L)."""
        second = self._weighted_spread(weights)
        flat = self.component_factors.flatten(0, 1)
        shares = (weights[:, None] * self.responsibilities[..., None]).flatten(0, 1)
        for j, share in enumerate(shares.mT):
            second[j] += (flat * share[:, None]).mT @ flat
        g = (weights.mT @ self.factors)[:, :, None]
        total = weights.sum(0)[:, None, None]
        return torch.cat([torch.cat([second, g], 2), torch.cat([g.mT, total], 2)], 1)

    def _weighted_spread(self, weights: Tensor) -> Tensor:
        """Σ_n weights_nj Cov(g_n | component), (J, K, K)."""
        shared, h, g = (
            x[:, None] for x in (self.covariance.shared.matrices, self._follow, self.covariance.gain)
        )
        counts = self._totals(weights, torch.ones_like(weights[:, :1]))[..., None]
        cross = h @ self._totals(weights, self._mixed) @ g.mT
        total = counts * shared + (h * self._totals(weights, self._variance)[:, :, None]) @ h.mT
        return (total - cross - cross.mT + g @ self._totals(weights, self._own) @ g.mT).sum(0)

    def _masked_moments(self, mask: Tensor) -> Tensor:
        return self.weighted_moments(mask[:, None])[0]

    def squares(self, view: ViewRows) -> Tensor:
        """<(w̃_dᵀ g̃_n)²> of a view's features, (rows, D)."""
        mean, covariance = view.view.weights
        flat = torch.nn.functional.pad(self.component_factors.flatten(0, 1), (0, 1), value=1.0)
        of_means = (flat @ mean.mT).square()
        for d, spread in enumerate(covariance.expand(len(mean), -1, -1)):
            of_means[:, d] += ((flat @ spread) * flat).sum(1)
        of_means = of_means.unflatten(0, self.responsibilities.shape)
        return (self.responsibilities[..., None] * of_means).sum(1) + self._spread_along(view)

    def _spread_along(self, view: ViewRows) -> Tensor:
        """tr(<w_d w_dᵀ> Cov(g_n | component)), (rows, D)."""
        mean, covariance = view.view.weights.weights, view.view.weights.covariance[:, :-1, :-1]
        second = mean[:, :, None] * mean[:, None, :] + covariance
        shared, h, g = self.covariance.shared.matrices, self._follow, self.covariance.gain
        parts = []
        for p, rows in self._parts:
            seen = second @ h[p]  # (D, K, E)
            constant = (second * shared[p]).sum((1, 2))
            along = self._variance[rows] @ (h[p] * seen).sum(1).mT
            mixed = self._mixed[rows].flatten(1) @ (seen.mT @ g[p]).flatten(1).mT
            own = self._own[rows].flatten(1) @ (g[p].mT @ second @ g[p]).flatten(1).mT
            parts.append(constant + along - 2 * mixed + own)
        return self._in_order(torch.cat(parts))

    def latents_with_factors(self, view: ViewRows) -> Tensor:
        """Σ_n Cov(z_n, g_n) of a view whose latents are unsure, (D, K)."""
        place, sizes = self._unsure.index(view), [variance.shape[1] for variance in self._variances]
        columns = slice(sum(sizes[:place]), sum(sizes[: place + 1]))
        one = torch.ones_like(self._variance[:, :1])
        direct = self._totals(one, self._variance[:, columns]) * self._follow[:, :, columns]
        mixed = self.covariance.gain @ self._totals(one, self._mixed[:, columns])[:, 0].mT
        return (direct - mixed).sum(0).mT
