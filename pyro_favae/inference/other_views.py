"""What a row's other views and the global posterior say of one view's latents: their prior in a gradient step.

With the factors integrated out it is N(W̄ A⁻¹ a + b̄, W̄ A⁻¹ W̄ᵀ + 1/τ), A and a the factors' precision and linear term
without what this view's own latents tell of them.
"""

from functools import cached_property
from typing import ClassVar, cast

import torch
from pyro.distributions import TorchDistribution
from torch import Tensor
from torch.distributions import Independent, constraints, register_kl

from pyro_favae.inference.covariance import RowCovariance
from pyro_favae.inference.row_inference import row_covariance
from pyro_favae.inference.rows import Rows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.views.vae import EncodedRows


class OtherViewsNormal(TorchDistribution):
    """N(location_n, (τ − τ W̄ Λ_n⁻¹ W̄ᵀ τ)⁻¹), with Λ_n the precision of all the row's factors: float64.

    Everything it is asked for needs matrices of the factors' size alone (Woodbury).
    """

    arg_constraints: ClassVar[dict] = {}
    support = constraints.real_vector

    def __init__(
        self,
        location: Tensor,
        scaled_weights: Tensor,
        noise: Tensor,
        factors: RowCovariance,
        log_determinant: Tensor,
    ) -> None:
        """location (rows, D), scaled_weights τ W̄ (D, K), noise τ (D,), factors: Λ⁻¹.

        log_determinant: of the covariance, (rows,).
        """
        self.location, self.scaled_weights, self.noise = location, scaled_weights, noise
        self.factors, self.log_determinant = factors, log_determinant
        super().__init__(location.shape[:1], location.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.location

    @cached_property
    def precision_diagonal(self) -> Tensor:
        """(patterns, D)."""
        told = (self.scaled_weights @ self.factors.matrices) * self.scaled_weights
        return self.noise - told.sum(-1)

    @property
    def covariance_matrix(self) -> Tensor:
        told = self.scaled_weights @ self.factors.matrices @ self.scaled_weights.mT
        return self.factors.of_rows(torch.linalg.inv(torch.diag(self.noise) - told))

    def divergence_of(self, mean: Tensor, variance: Tensor) -> Tensor:
        """KL( N(mean, diag variance) ‖ this ), moments (rows, D): (rows,), in nats."""
        deviation = mean - self.location
        told = deviation @ self.scaled_weights
        quadratic = (self.noise * deviation.square()).sum(1)
        quadratic = quadratic - (told * self.factors.times(told[:, None])[:, 0]).sum(1)
        precision = self.precision_diagonal
        precision = precision if len(precision) == 1 else self.factors.of_rows(precision)
        trace = (precision * variance).sum(1)
        entropy = variance.log().sum(1) + variance.shape[1]
        return 0.5 * (trace + quadratic + self.log_determinant - entropy)


@register_kl(Independent, OtherViewsNormal)
def _(q: Independent, p: OtherViewsNormal) -> Tensor:
    wide = (part.to(p.location.dtype) for part in (q.mean, q.variance))
    return p.divergence_of(*wide)


@torch.no_grad()
def prior_from_other_views(snapshot: Snapshot, rows: Rows, view: EncodedRows) -> OtherViewsNormal:
    """p(z | the row's other views) for the rows that have the view, (observed rows, D)."""
    q, seen = view.view, view.observed
    without = row_covariance(snapshot, rows, without=view)
    linear = sum(other.linear for other in rows.views) - view.mean @ q.scaled_weights
    linear = linear + (rows.responsibilities[:, None] @ snapshot.linear(rows.groups))[:, 0]
    linear = linear + q.weights.bias @ q.scaled_weights
    factors = without.times(linear[:, None])[:, 0]
    location = factors @ q.weights.weights.mT + q.weights.bias
    log_determinant = without.log_determinants - rows.covariance.log_determinants - q.noise.log().sum()
    return OtherViewsNormal(
        seen.of_rows(location),
        q.scaled_weights,
        q.noise,
        cast(RowCovariance, rows.covariance).of(seen.of_rows),  # low ranks are for sweeps alone
        seen.of_rows(log_determinant),
    )
