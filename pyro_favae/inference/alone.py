"""Training one view by itself: a plain VAE, z ~ N(0, I)."""

import time
from contextlib import closing
from functools import reduce
from typing import cast

import pandas as pd
import pyro.distributions as dist
import torch
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.data.dataset import Batch, Dataset
from pyro_favae.data.moments import merged, moments_of
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.minibatches import SEEDS
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.processes import Processes
from pyro_favae.inference.randomness import random_state, set_random_state
from pyro_favae.inference.rest import Keep, RestPoints, State
from pyro_favae.inference.settings import Settings
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.start import calibrate
from pyro_favae.inference.step import NetworkStep
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.inference.watch import Watch, watched
from pyro_favae.models.execution import Execution


class PlainTraining:
    """Trains the networks of one view of a guide, which it changes in place.

    Its state, taken at any of its :class:`RestPoints`, is all that what follows depends on besides the data.
    """

    def __init__(
        self,
        guide: FAVAEGuide,
        name: str,
        dataset: Dataset,
        settings: Settings,
        keep: Keep | None = None,
    ) -> None:
        """keep: stores the training's state at rest points."""
        self.guide, self.name, self.dataset, self.settings = guide, name, dataset, settings
        self.processes = Processes.present()
        self.execution = Execution(settings.precision, settings.compile, guide.device)
        self.rest = RestPoints(self.state_dict, keep, self.processes)
        self.passes = Passes(guide, dataset, settings.batch_size, self.rest.interrupt, self.processes)
        steps = self.passes.batches * settings.epochs
        self.step = NetworkStep(guide, [name], settings.learning_rate, steps, self.processes)
        self.generator, self.watch = torch.Generator().manual_seed(settings.seed), Watch()
        self.records: list[dict] = []
        self.ended = False
        self._begin = time.perf_counter()
        self._open_pass()
        self.processes.own_draws()

    def _open_pass(self) -> None:
        self.seed = int(torch.randint(SEEDS, (), generator=self.generator))  # of the pass's order
        self.position, self.sums = 0, torch.zeros(2, dtype=torch.float64, device=self.guide.device)

    def state_dict(self) -> State:
        """All that the rest of the training depends on, taken between two minibatches."""
        return {
            "model": self.guide.model.state_dict(),
            "guide": self.guide.state_dict(),
            "step": self.step.state_dict(),
            "records": self.records,
            "ended": self.ended,
            "seconds": time.perf_counter() - self._begin,
            "pass": [self.seed, self.position, *self._sums()],
            "generator": self.generator.get_state(),
            "random": random_state(self.guide.device),
        }

    def load_state_dict(self, state: State) -> None:
        """Go on from a state."""
        self.guide.model.load_state_dict(state["model"])
        self.guide.load_state_dict(state["guide"])
        self.step.load_state_dict(state["step"])
        self.records, self.ended = list(state["records"]), state["ended"]
        self._begin = time.perf_counter() - state["seconds"]
        self.seed, self.position, *sums = state["pass"]
        self.sums = self.sums.new_tensor(sums if self.processes.rank == 0 else [0.0, 0.0])
        self.generator.set_state(state["generator"])
        set_random_state(state["random"], self.guide.device)
        self.processes.own_draws()

    @property
    def history(self) -> pd.DataFrame:
        """One row a pass: ``elbo`` = ``likelihood`` − ``divergence``, nats of all rows, and seconds."""
        columns = ["elbo", "likelihood", "divergence", "seconds"]
        return pd.DataFrame(self.records, columns=columns).rename_axis("pass")

    def __call__(self) -> None:
        """Train; Ctrl-C ends it early and keeps what was learnt."""
        epochs, callbacks = self.settings.epochs, self.settings.callbacks
        bar = tqdm(
            total=epochs,
            disable=not self.settings.progress or self.processes.rank > 0,
            desc="VAE",
            unit="pass",
        )
        bar.update(len(self.records))
        try:
            with self.rest.interrupt:
                if not self.ended:
                    self.rest(len(self.records), now=True)
                while not self.ended:
                    self._pass()
                    bar.update()
                    bar.set_postfix(bound=f"{self.records[-1]['elbo']:,.1f}")
                    asked = any([callback(self.records[-1]) is True for callback in callbacks])
                    (asked,) = self.processes.any(asked)
                    self.ended = asked or len(self.records) == epochs
                    self.rest(len(self.records), now=self.ended)
        except KeyboardInterrupt:
            self.watch.ask()
        finally:
            bar.close()
            self.guide.eval()

    def _pass(self) -> None:
        snapshot = self.guide.train().snapshot()
        with closing(self.passes.shuffled(self.seed, self.position)) as batches:
            for batch in batches:
                self.take(batch, snapshot)
                self.rest(len(self.records))
        likelihood, divergence = self._sums()
        record = {"elbo": likelihood - divergence, "likelihood": likelihood, "divergence": divergence}
        self.records.append({**record, "seconds": time.perf_counter() - self._begin})
        self._open_pass()

    def _sums(self) -> list[float]:
        """Likelihood and divergence of the present pass's rows, of all processes."""
        self.watch.ask()
        return self.processes.summed([self.sums])[0].tolist()

    def take(self, batch: Batch, snapshot: Snapshot) -> None:
        """A step of the networks, without waiting for the device."""
        with watched(self.watch), self.execution.running():
            self._take(batch, snapshot)

    def _take(self, batch: Batch, snapshot: Snapshot) -> None:
        self.position += 1
        views = self.guide.view_rows(batch.data, batch.seen, snapshot=snapshot)
        rows = cast(EncodedRows, views[self.name])
        self.step(batch.data, {self.name: rows}, standard_normal)
        if rows.observed.count:
            divergence = divergence_from_standard_normal(*rows.encoded).detach()
            self.sums += torch.stack([rows.log_likelihood, divergence.to(torch.float64)])

    def read_units(self) -> None:
        """Let the view read its units off the data."""
        calibrate(self.guide, self.dataset, [self.name], self.settings.batch_size)

    @torch.no_grad()
    def keep_scale(self) -> None:
        """Pin the latents to the scale that the encoder, trained elsewhere, gives them now."""
        self.guide.eval()
        snapshot, parts, variances = self.guide.snapshot(), [], []
        for batch in self.dataset.in_order(self.settings.batch_size, self.guide.device):
            views = self.guide.view_rows(batch.data, batch.observed, snapshot=snapshot)
            rows = cast(EncodedRows, views[self.name])
            parts.append(moments_of(rows.mean, rows.mask > 0))
            variances.append(rows.latent_variance.sum(0))
        total, within = reduce(merged, parts), reduce(torch.add, variances)
        self.guide.encoder(self.name).standardise.keep(total.mean, total.variance + within / total.count)


def standard_normal(rows: EncodedRows) -> dist.TorchDistribution:
    """N(0, I) for each row that has the view."""
    zero = torch.zeros_like(rows.encoded[0])
    return dist.Normal(zero, torch.ones_like(zero), validate_args=False).to_event(1)


def divergence_from_standard_normal(mean: Tensor, variance: Tensor) -> Tensor:
    """Σ KL(N(mean, variance) ‖ N(0, 1)), in nats."""
    return 0.5 * (mean.square() + variance - 1 - variance.log()).sum()
