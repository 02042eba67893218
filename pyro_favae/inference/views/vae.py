"""Inference of a view behind an encoder."""

import torch
from torch import Tensor, nn

from pyro_favae.data.observed import Observed
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.inference.views.base import ViewInference, view_inference
from pyro_favae.inference.views.gaussian import GaussianRows, sample_gaussian
from pyro_favae.models.execution import run
from pyro_favae.models.views.decoder import DecoderEmission, DecoderView, encoded_moments

#: fewest rows whose moments can stand for the data set's
ENOUGH_ROWS = 8


class LatentStandardiser(nn.Module):
    """Pins the scale of a latent: its aggregate posterior has mean 0 and variance 1, or others to keep.

    With flat priors the bound does not change when z is scaled and the decoder absorbs it, so without this
    the scale drifts without end. Values are those of running moments, gradients those of batch moments (batch
    renormalisation, Ioffe 2017): training sees the latents that reading off the result sees, and no gradient
    points along a change of scale.
    """

    batches: Tensor
    mean: Tensor
    variance: Tensor
    pinned_mean: Tensor
    pinned_variance: Tensor

    def __init__(self, latent_dim: int, momentum: float = 0.05) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("batches", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("variance", torch.ones(latent_dim))
        self.register_buffer("pinned_mean", torch.zeros(latent_dim))
        self.register_buffer("pinned_variance", torch.ones(latent_dim))

    def keep(self, mean: Tensor, variance: Tensor) -> None:
        """Pin the aggregate posterior where it is, for networks that were trained elsewhere; each (D,)."""
        for buffers, values in ((("mean", "pinned_mean"), mean), (("variance", "pinned_variance"), variance)):
            for buffer in buffers:
                getattr(self, buffer).copy_(values)
        self.batches.fill_(1 / self.momentum)

    def forward(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Standardise encoder moments, each (rows, D)."""
        mean, variance = self._standard(mean, variance)
        return mean * self.pinned_variance.sqrt() + self.pinned_mean, variance * self.pinned_variance

    def _standard(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training or len(mean) < ENOUGH_ROWS:
            return (mean - self.mean) / self.variance.sqrt(), variance / self.variance
        centre = mean.mean(0)
        spread = mean.var(0, correction=0) + variance.mean(0)
        scale, shift = self._follow(centre.detach(), spread.detach())
        return (mean - centre) / spread.sqrt() * scale + shift, variance / spread * scale.square()

    @torch.no_grad()
    def _follow(self, centre: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Update the running moments; returns what takes batch-standardised values to running ones."""
        self.batches += 1
        weight = (1 / self.batches).clamp_min(self.momentum)
        self.mean.lerp_(centre.to(self.mean), weight)
        self.variance.lerp_(spread.to(self.mean), weight)
        deviation = self.variance.sqrt()
        return spread.sqrt() / deviation, (centre - self.mean) / deviation


class EncoderInference(ViewInference[DecoderEmission, "EncodedRows"]):
    """q(z | x) = N(μ(x), diag s(x)). FA-VAE paper, Eq. 7."""

    trained_by_gradient = True

    def __init__(self, encoder: nn.Module, latent_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.standardise = LatentStandardiser(latent_dim)

    def encode(
        self, data: Tensor, emission: DecoderEmission, entries: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(z | x), each (rows, D), of data (rows, *event).

        entries: booleans (rows, *event), None where all are observed.
        """
        output = run(self.encoder, emission.inputs(data, entries))
        mean, log_variance = encoded_moments(output, len(data), len(self.standardise.mean))
        return self.standardise(mean, log_variance.clamp(-14, 8).exp())

    def rows(
        self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: DecoderEmission
    ) -> "EncodedRows":
        moments = self.encode_present(data, observed, emission)
        return EncodedRows(view, observed.rows, *moments, observed.entries)

    def encode_present(
        self, data: Tensor, observed: Observed, emission: DecoderEmission
    ) -> tuple[Tensor, Tensor]:
        """The same of the rows that have the view: (observed rows, D) each."""
        if not observed.count:  # not every network takes no rows
            return tuple(data.new_zeros(2, 0, len(self.standardise.mean)))
        return self.encode(observed.of_rows(data), emission, observed.entries)

    def evaluate(self, rows: "EncodedRows", data: Tensor, emission: DecoderEmission) -> None:
        """One draw of the latents for each row."""
        rows.log_likelihood = self.log_likelihood(rows, data, emission).sum()

    def log_likelihood(self, rows: "EncodedRows", data: Tensor, emission: DecoderEmission) -> Tensor:
        """log p(x_n | z_n) at one draw of q(z_n) for each row that has the view, (observed rows,), in nats."""
        mean, variance = rows.encoded
        if not len(mean):  # not every network takes no rows
            return torch.zeros(0, dtype=torch.float64, device=mean.device)
        latents = mean + variance.sqrt() * torch.randn_like(variance)
        density = emission.log_prob(latents, rows.observed.of_rows(data)).to(torch.float64)
        return (density if rows.entries is None else density * rows.entries).flatten(1).sum(1)

    def sample_before(self, name: str, rows: "EncodedRows") -> Tensor | None:
        return sample_gaussian(name, rows)


class EncodedRows(GaussianRows):
    """Rows whose q(z) comes from an encoder.

    ``encoded`` keeps the moments of the rows that have the view, with gradients, ``entries`` what is observed of
    them, None for all, and ``draws`` the latents that a gradient step drew, None before it.
    """

    latent_variance: Tensor  # an encoder is never certain

    def __init__(
        self,
        view: ViewSnapshot,
        observed: Tensor | Observed,
        mean: Tensor,
        variance: Tensor,
        entries: Tensor | None = None,
    ) -> None:
        self.encoded = (mean, variance)
        self.entries = entries
        self.draws: Tensor | None = None
        observed = Observed.of(observed)
        moments = (observed.spread(part.detach().to(torch.float64)) for part in (mean, variance))
        super().__init__(view, observed, *moments)


@view_inference.register
def _(view: DecoderView) -> EncoderInference:
    return EncoderInference(view.encoder(), view.latent_dim)
