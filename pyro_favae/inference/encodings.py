"""Rows of a view whose networks are left as they are: encoded once, not in every pass."""

import torch
from torch import Tensor

from pyro_favae.data.dataset import Dataset
from pyro_favae.data.observed import Observed, on_device
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.randomness import random_state
from pyro_favae.inference.snapshot import Snapshot, ViewSnapshot
from pyro_favae.inference.views.gaussian import GaussianRows


class Encodings:
    """q(z_n) of every row of an encoder view, and what its data are worth given a draw of it.

    ``random_state``: that of torch's generators before the draws, from which they can be repeated.
    """

    @torch.no_grad()
    def __init__(
        self, guide: FAVAEGuide, snapshot: Snapshot, dataset: Dataset, name: str, chunk: int
    ) -> None:
        """Run the encoder and the decoder over a data set, ``chunk`` rows at a time."""
        self.random_state = random_state(guide.device)
        inference, emission = guide.encoder(name).eval(), guide.decoder(name).eval()
        parts = []
        for batch in dataset.in_order(chunk, guide.device, [name]):
            data = batch.data[name]
            rows = inference.rows(data, batch.seen[name], snapshot.views[name], emission)
            worth = rows.observed.spread(inference.log_likelihood(rows, data, emission))
            parts.append((rows.mean, rows.latent_variance, worth, rows.observed.host))
        self.mean, self.variance, self.worth, self.observed = map(torch.cat, zip(*parts, strict=True))

    def rows(self, taken: slice | Tensor, view: ViewSnapshot) -> GaussianRows:
        """The rows of a slice or of indices, as the present posterior sees them."""
        observed = Observed(self.observed[taken], self.mean.device)
        taken = on_device(taken, self.mean.device) if isinstance(taken, Tensor) else taken
        return GaussianRows(view, observed, self.mean[taken], self.variance[taken], self.worth[taken].sum())
