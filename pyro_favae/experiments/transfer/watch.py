"""What networks make of held-out images after each pass of their training."""

from time import perf_counter
from typing import cast

import numpy as np
import pandas as pd
import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import kl_divergence

from pyro_favae.inference.alone import standard_normal
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.other_views import prior_from_other_views
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.views.vae import EncodedRows

CHUNK = 1000  # rows at a time
NETWORK_STAGES = ("warm-up", "train")  # of a fit: passes that train networks


class Watch:
    """A callback that measures one view of a guide on held-out rows; the measuring takes no part of the seconds."""

    def __init__(self, guide: FAVAEGuide, name: str, rows: dict[str, np.ndarray]) -> None:
        """rows: by view, those held out, all of whose views but the named one are given to it."""
        self.guide, self.name = guide, name
        self.rows = {view: torch.as_tensor(values) for view, values in rows.items()}
        self.records: list[dict] = []
        self._spent, self._begin = 0.0, perf_counter()

    def __call__(self, record: dict) -> None:
        begin = perf_counter()
        if record.get("stage", "train") in NETWORK_STAGES:
            self.records.append({**self._measured(), "seconds": begin - self._begin - self._spent})
        self._spent += perf_counter() - begin

    @torch.no_grad()
    def _measured(self) -> dict[str, float]:
        self.guide.eval()
        snapshot, n = self.guide.snapshot(), len(self.rows[self.name])
        parts = [self._measured_part(snapshot, slice(i, i + CHUNK)) for i in range(0, n, CHUNK)]
        return {name: float(torch.cat([part[name] for part in parts]).mean()) for name in parts[0]}

    def _measured_part(self, snapshot: Snapshot, taken: slice) -> dict[str, Tensor]:
        data = {name: values[taken].to(self.guide.device) for name, values in self.rows.items()}
        views, images = self.guide.view_rows(data, snapshot=snapshot), data[self.name]
        view = cast(EncodedRows, views[self.name])
        prior: dist.TorchDistribution = standard_normal(view)
        if len(views) > 1:
            rows = self.guide.infer(views, len(images), snapshot=snapshot)
            prior = prior_from_other_views(snapshot, rows, view)
        mean, variance = view.encoded
        emission = self.guide.model.emission(self.name)
        return {
            "likelihood": emission.log_prob(mean, images).flatten(1).sum(1),
            "divergence": kl_divergence(dist.Normal(mean, variance.sqrt()).to_event(1), prior),
            "r2": r2_of_each(emission.decode(mean), images),
        }

    @property
    def curve(self) -> pd.DataFrame:
        """One row an epoch, from 1.

        Columns: ``likelihood`` of an image given the mean of its latents and ``divergence`` of q(z | x) from its
        prior, both in nats; ``r2`` of an image; ``seconds``.
        """
        return pd.DataFrame(self.records, index=pd.RangeIndex(1, len(self.records) + 1, name="epoch"))


def r2_of_each(reconstructions: Tensor, images: Tensor) -> Tensor:
    """R² of each image (n, C, H, W) about the mean of its own pixels, (n,)."""
    error = (images - reconstructions).square().flatten(1).sum(1)
    pixels = images.flatten(1)
    return 1 - error / (pixels - pixels.mean(1, keepdim=True)).square().sum(1)
