"""What a Gibbs sampler conditions on: the latents of all views side by side, and what was drawn of the globals."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.errors import SpecError
from pyro_favae.inference.covariance import FEW_PATTERNS, group_patterns
from pyro_favae.inference.guide import FAVAEGuide

READ_ROWS = 4096  # at a time


class Globals(NamedTuple):
    """Draws of weights, biases and noise of some views side by side; C chains, ΣD features, L = K + 1."""

    weights: Tensor  # (C, ΣD, L)  w̃ = [w, b]
    noise: Tensor  # (C, ΣD)  τ

    @classmethod
    def joined(cls, views: Sequence[tuple[Tensor, Tensor]]) -> "Globals":
        """Of views with w̃ (C, D, L) and τ (C, 1 or D) each."""
        noise = [tau.expand(weights.shape[:-1]) for weights, tau in views]
        return cls(torch.cat([weights for weights, _ in views], 1), torch.cat(noise, 1))


@dataclass(frozen=True)
class Table:
    """Latents that are known, float64, zero where missing.

    latents (N, ΣD), or (C, N, ΣD) where each chain has data of its own; mask (N, ΣD), 1 where observed.
    """

    latents: Tensor
    mask: Tensor
    sizes: tuple[int, ...]  # D of each view

    @classmethod
    def of(cls, guide: FAVAEGuide, dataset: Dataset) -> "Table":
        """The views of a data set, in its order; raises :class:`SpecError` for a view whose latents are not known."""
        rows = [_known(guide, batch) for batch in dataset.in_order(READ_ROWS, guide.device)]
        latents, masks = (torch.cat(parts) for parts in zip(*rows, strict=True))
        return cls(latents, masks, tuple(guide.declaration.views[name].latent_dim for name in dataset.views))

    @property
    def n(self) -> int:
        """The number of rows."""
        return self.mask.shape[0]

    @cached_property
    def views(self) -> list["Table"]:
        """Each view alone."""
        parts = zip(self.latents.split(self.sizes, -1), self.mask.split(self.sizes, -1), strict=True)
        return [Table(latents, mask, (mask.shape[1],)) for latents, mask in parts]

    @cached_property
    def whole_rows(self) -> bool:
        """Whether every row has all features or none."""
        return bool((self.mask == self.mask[:, :1]).all())

    @cached_property
    def patterns(self) -> tuple[Tensor, Tensor]:
        """The distinct masks, (P, ΣD), and which of them each row has, (N,)."""
        return group_patterns(self.mask)

    @cached_property
    def pattern_rows(self) -> list[Tensor] | None:
        """The rows of each pattern where there are few patterns, else None."""
        masks, index = self.patterns
        if len(masks) > FEW_PATTERNS:
            return None
        return [(index == p).nonzero()[:, 0] for p in range(len(masks))]


def _known(guide: FAVAEGuide, batch: Batch) -> tuple[Tensor, Tensor]:
    """Latents and mask of some rows, (rows, ΣD) each."""
    latents, masks = [], []
    for name, values in batch.data.items():
        known = guide.inference(name).known_latents(values, guide.model.emission(name))
        if known is None:
            kind = type(guide.declaration.views[name]).__name__
            raise SpecError(
                f"sample: view {name!r} is a {kind} whose latents are not known given its data; expected views.Real, "
                "or views.Frozen without variances, in every view"
            )
        mask = batch.observed[name].to(torch.float64).expand_as(known)
        latents.append(known.to(torch.float64) * mask)
        masks.append(mask)
    return torch.cat(latents, 1), torch.cat(masks, 1)
