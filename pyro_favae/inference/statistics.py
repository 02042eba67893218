"""Additive sufficient statistics: all that the global updates need of the rows.

They add over rows, so one update serves a full batch, a stream, several processes and decayed sums.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace

import torch
from torch import Tensor

from pyro_favae.errors import NumericalError


@dataclass(frozen=True)
class ViewStatistics:
    """Sums over what is observed of the view, float64, with g̃ = [g, 1] and L = K + 1.

    One n and one gg serve all features where a row has the view or lacks it, (1, ...); where single entries are
    missing each feature has its own, (D, ...).

    Where q(z | g, W) follows the weights, <z> = s + (1 − ω) w̃ᵀ g̃, the sums hold the moments of s and ω g̃ instead of
    those of z and g̃, so that zz − 2 w̃ᵀ zg + w̃ᵀ gg w̃ is Σ <(z − w̃ᵀ g̃)²> all the same; and the log likelihood
    is ``log_likelihood`` + Σ_d w̃_dᵀ likelihood_zg_d − ½ w̃_dᵀ likelihood_gg_d w̃_d.
    """

    n: Tensor  # (1 or D,)        rows
    gg: Tensor  # (1 or D, L, L)  Σ <g̃ g̃ᵀ>
    zg: Tensor  # (D, L)          Σ <z g̃ᵀ>
    zz: Tensor  # (D,)            Σ <z²>
    log_likelihood: Tensor  # ()  Σ of what the view's data are worth given z, nats
    entropy: Tensor  # ()         Σ entropy of q(z), or of q(z | g), nats
    likelihood_gg: Tensor | None = None  # (D, L, L)
    likelihood_zg: Tensor | None = None  # (D, L)

    def rotated(self, change: Tensor) -> "ViewStatistics":
        """The same sums after g̃ → change @ g̃, (L, L)."""
        sums = replace(self, gg=change @ self.gg @ change.mT, zg=self.zg @ change.mT)
        if self.likelihood_gg is None or self.likelihood_zg is None:
            return sums
        return replace(
            sums,
            likelihood_gg=change @ self.likelihood_gg @ change.mT,
            likelihood_zg=self.likelihood_zg @ change.mT,
        )


@dataclass(frozen=True)
class FactorStatistics:
    """Sums over all rows, float64; C components of the factors' prior, one for a standard normal."""

    n: Tensor  # ()
    g: Tensor  # (K,)    Σ <g>
    gg: Tensor  # (K, K)  Σ <g gᵀ>
    log_determinant: Tensor  # ()  Σ log |Cov(g | z, component)|
    counts: Tensor  # (C,)    Σ q(component)
    component_g: Tensor  # (C, K)  Σ q(component) <g | component>
    component_entropy: Tensor  # ()  Σ entropy of q(component), nats
    groups: Tensor | None = None  # (G, L, L)  Σ <g̃ g̃ᵀ> of each group's rows, where the prior has groups

    def rotated(self, change: Tensor) -> "FactorStatistics":
        """The same sums after g̃ → change @ g̃, (L, L), where change's last row is (0, 1)."""
        matrix, shift = change[:-1, :-1], change[:-1, -1]
        g = matrix @ self.g
        gg = matrix @ self.gg @ matrix.mT + torch.outer(g, shift) + torch.outer(shift, g)
        return replace(
            self,
            g=g + self.n * shift,
            gg=gg + self.n * torch.outer(shift, shift),
            log_determinant=self.log_determinant + 2 * self.n * torch.linalg.slogdet(matrix).logabsdet,
            component_g=self.component_g @ matrix.mT + self.counts[:, None] * shift,
            groups=None if self.groups is None else change @ self.groups @ change.mT,
        )


@dataclass(frozen=True)
class Statistics:
    """The statistics of a set of rows."""

    views: tuple[ViewStatistics, ...]
    factors: FactorStatistics

    def __add__(self, other: "Statistics") -> "Statistics":
        return _combine(self, other, torch.add)

    def scaled(self, factor: float) -> "Statistics":
        """Every sum multiplied: a decayed sum, or a sample blown up to the size of the data set."""
        return _combine(self, self, lambda value, _: factor * value)

    def require_finite(self, names: Sequence[str], moment: str) -> None:
        """Raise :class:`NumericalError` for a sum that is not; names: of the views. moment: when they were taken."""
        owners = [f"view {name!r}" for name in names]
        parts = [
            {name: value for name, value in vars(sums).items() if value is not None}
            for sums in [*self.views, self.factors]
        ]
        good = torch.stack([torch.isfinite(value).all() for part in parts for value in part.values()])
        if good.all():  # one question for all, because a GPU makes the host wait for the answer
            return
        for owner, tensors in zip([*owners, "the factors"], parts, strict=True):
            bad = [name for name, value in tensors.items() if not torch.isfinite(value).all()]
            if bad:
                raise NumericalError(
                    f"{owner}: sums over its rows, {', '.join(bad)}, are not finite {moment}; the posterior is as it "
                    "was before; likely causes are data on extreme scales (standardise the view) or networks that "
                    "diverged (lower the learning rate)"
                )

    def state_dict(self) -> dict:
        """The sums as nested dictionaries."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict, device: torch.device) -> "Statistics":
        """The statistics of which :meth:`state_dict` was taken, on a device."""

        def on_device(sums: dict) -> dict:
            return {name: None if value is None else value.to(device) for name, value in sums.items()}

        views = tuple(ViewStatistics(**on_device(sums)) for sums in state["views"])
        return cls(views, FactorStatistics(**on_device(state["factors"])))

    def rotated(self, change: Tensor) -> "Statistics":
        """The same sums after g̃ → change @ g̃, (L, L)."""
        return Statistics(tuple(view.rotated(change) for view in self.views), self.factors.rotated(change))


def _combine(first, second, operation):
    if first is None or second is None:  # sums that a part does not have are zero
        return second if first is None else first
    if isinstance(first, Tensor):
        return operation(first, second)
    if isinstance(first, tuple):
        return tuple(_combine(a, b, operation) for a, b in zip(first, second, strict=True))
    values = {
        field.name: _combine(getattr(first, field.name), getattr(second, field.name), operation)
        for field in fields(first)
    }
    return type(first)(**values)
