"""Training one view by itself: a plain VAE, z ~ N(0, I)."""

import time
from collections.abc import Sequence
from functools import reduce

import pandas as pd
import pyro.distributions as dist
import torch
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.data.dataset import Dataset
from pyro_favae.data.moments import merged, moments_of
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.history import Callback
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.start import calibrate
from pyro_favae.inference.step import NetworkStep
from pyro_favae.inference.views.vae import EncodedRows


class PlainTraining:
    """Trains the networks of one view of a guide, which it changes in place."""

    def __init__(self, guide: FAVAEGuide, name: str, dataset: Dataset, batch_size: int, seed: int) -> None:
        self.guide, self.name, self.dataset, self.batch_size = guide, name, dataset, batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.records: list[dict] = []

    @property
    def history(self) -> pd.DataFrame:
        """One row a pass: ``elbo`` = ``likelihood`` − ``divergence``, nats of all rows, and seconds."""
        columns = ["elbo", "likelihood", "divergence", "seconds"]
        return pd.DataFrame(self.records, columns=columns).rename_axis("pass")

    def __call__(
        self, epochs: int, learning_rate: float, progress: bool, callbacks: Sequence[Callback]
    ) -> None:
        """Train; Ctrl-C ends it early and keeps what was learnt."""
        batches = -(-len(self.dataset) // self.batch_size)
        step = NetworkStep(self.guide, [self.name], learning_rate, batches * epochs)
        interrupt, begin = DeferredInterrupt(), time.perf_counter()
        bar = tqdm(total=epochs, disable=not progress, desc="VAE", unit="pass")
        try:
            with interrupt:
                for _ in range(epochs):
                    self._pass(step, interrupt, begin)
                    bar.update()
                    bar.set_postfix(bound=f"{self.records[-1]['elbo']:,.1f}")
                    if any([callback(self.records[-1]) is True for callback in callbacks]):
                        break
        except KeyboardInterrupt:
            pass
        finally:
            bar.close()
            self.guide.eval()

    def _pass(self, step: NetworkStep, interrupt: DeferredInterrupt, begin: float) -> None:
        self.guide.train()
        likelihood = divergence = 0.0
        snapshot = self.guide.snapshot()
        for batch in self.dataset.shuffled(self.batch_size, self.guide.device, self.generator):
            interrupt.check()
            views = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot)
            rows = views[self.name]
            if not rows.mask.any():
                continue
            step(batch.data, views, standard_normal)
            likelihood += float(rows.log_likelihood)
            divergence += float(divergence_from_standard_normal(*rows.encoded).detach())
        seconds = time.perf_counter() - begin
        record = {"elbo": likelihood - divergence, "likelihood": likelihood, "divergence": divergence}
        self.records.append({**record, "seconds": seconds})

    def read_units(self) -> None:
        """Let the view read its units off the data."""
        calibrate(self.guide, self.dataset, [self.name], self.batch_size)

    @torch.no_grad()
    def keep_scale(self) -> None:
        """Pin the latents to the scale that the encoder, trained elsewhere, gives them now."""
        self.guide.eval()
        snapshot, parts, within = self.guide.snapshot(), [], 0.0
        for batch in self.dataset.in_order(self.batch_size, self.guide.device):
            rows = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot)[self.name]
            parts.append(moments_of(rows.mean, rows.mask > 0))
            within = within + rows.latent_variance.sum(0)
        total = reduce(merged, parts)
        self.guide.inference(self.name).standardise.keep(total.mean, total.variance + within / total.count)


def standard_normal(rows: EncodedRows) -> dist.TorchDistribution:
    """N(0, I) for each row that has the view."""
    zero = torch.zeros_like(rows.encoded[0])
    return dist.Normal(zero, torch.ones_like(zero)).to_event(1)


def divergence_from_standard_normal(mean: Tensor, variance: Tensor) -> Tensor:
    """Σ KL(N(mean, variance) ‖ N(0, 1)), in nats."""
    return 0.5 * (mean.square() + variance - 1 - variance.log()).sum()
