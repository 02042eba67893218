"""How probable rows are given drawn globals: log p(x_n | θ), factors and latents integrated out."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial, reduce
from math import log
from typing import cast

import pyro
import torch
from pyro import poutine
from pyro.distributions import MultivariateNormal, Normal
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.data import Batch, Dataset
from pyro_favae.inference.guide import LEARNING_STEPS, FAVAEGuide
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.snapshot import Snapshot, ViewSnapshot
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.results.draws import given_globals
from pyro_favae.results.predictive import CHUNK

LATENT_DRAWS = 8  # of a row, where its density has no closed form


@torch.no_grad()
def row_log_likelihood(
    guide: FAVAEGuide,
    dataset: Dataset,
    draws: Mapping[str, Tensor],
    generator: torch.Generator,
    n_latents: int = LATENT_DRAWS,
    by_view: bool = True,
    progress: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """log p(x_n | θ) of whole rows, and by view log p(x_nm | the row's other views, θ), (draws, rows) each, in nats.

    draws: of all global sites, (draws, ...) each. By the identity p(x) = p(x, g) / p(g | x), which holds at every g:
    exact where views are Gaussian given the factors and the factors standard normal. Elsewhere the average over
    ``n_latents`` draws of p(x, g, z) / q(g, z), with logits integrated by quadrature, q(g) the posterior given θ
    under the bound of binary and categorical views, and q(z) the encoders' (Burda et al. 2016): on average too low,
    the less so the more draws. by_view: whether the views' are wanted too, at the cost of one more pass for each.
    """
    n = len(next(iter(draws.values())))
    whole: list[Tensor] = []
    views: dict[str, list[Tensor]] = {name: [] for name in guide.names if by_view}
    bar = tqdm(total=n * -(-len(dataset) // CHUNK), disable=not progress, desc="likelihood", unit="draw")
    for batch in dataset.in_order(CHUNK, guide.device):
        rows = _RowBatch(guide, batch, n_latents, generator)
        parts = []
        for i in range(n):
            parts.append(rows.given({name: values[i] for name, values in draws.items()}, views))
            bar.update()
        whole.append(torch.stack([total for total, _ in parts]))
        for name, scores in views.items():
            scores.append(torch.stack([total - rest[name] for total, rest in parts]))
    bar.close()
    return torch.cat(whole, 1), {name: torch.cat(scores, 1) for name, scores in views.items()}


class _RowBatch:
    """Rows whose networks have been read once, with the encoders' latents drawn."""

    def __init__(self, guide: FAVAEGuide, batch: Batch, n: int, generator: torch.Generator) -> None:
        self.guide, self.batch, self.generator = guide, batch, generator
        self.encoded = [name for name in guide.names if guide.inference(name).trained_by_gradient]
        self.base = guide.snapshot()
        self.rows = guide.view_rows(batch.data, batch.observed, snapshot=self.base)
        local = any(rows.row_precision is not None for rows in self.rows.values())
        shared = guide.declaration.factors.sample_globals(guide.declaration.n_factors, guide.device)
        self.n = n if local or self.encoded or shared else 1
        k = guide.declaration.n_factors
        self.noise = self._uniform(self.n, batch.n), self._normal(self.n, batch.n, k)
        self.latents = {name: self._draw_latents(name) for name in self.encoded}

    def _draw_latents(self, name: str) -> tuple[Tensor, Tensor]:
        """Draws of an encoder's q(z), (n, rows, D), and log p(x | z) − log q(z), (n, rows), 0 in rows without it."""
        rows, data = cast(EncodedRows, self.rows[name]), self.batch.data[name]
        present = rows.mask[:, 0] > 0
        q = Normal(rows.mean, rows.latent_variance.sqrt().where(rows.mask > 0, 1.0), validate_args=False)
        latents = q.loc + q.scale * self._normal(self.n, *q.loc.shape)
        worth = torch.zeros_like(latents[..., 0])
        for i in range(self.n if present.any() else 0):  # not every network takes no rows
            scores = self.guide.model.emission(name).log_prob(latents[i, present], data[present])
            worth[i, present] = _total(scores[None], self.batch.observed[name][present])[0]
        return latents, (worth - q.log_prob(latents).sum(-1)) * present

    def _normal(self, *shape: int) -> Tensor:
        device = self.guide.device
        return torch.randn(shape, generator=self.generator, dtype=torch.float64, device=device)

    def _uniform(self, *shape: int) -> Tensor:
        device = self.guide.device
        return torch.rand(shape, generator=self.generator, dtype=torch.float64, device=device)

    def given(
        self, drawn: Mapping[str, Tensor], without: Iterable[str] = ()
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """log p(x_n | θ), and the same without each of some views, (rows,) each."""
        snapshot = given_globals(self.base, drawn)
        rest = {name: [other for other in self.guide.names if other != name] for name in without}
        whole = self._log_likelihood(snapshot, drawn, self.guide.names)
        return whole, {name: self._log_likelihood(snapshot, drawn, names) for name, names in rest.items()}

    def _log_likelihood(
        self, snapshot: Snapshot, drawn: Mapping[str, Tensor], names: Sequence[str]
    ) -> Tensor:
        if not names:
            return torch.zeros(self.batch.n, dtype=torch.float64, device=self.guide.device)
        closed = [name for name in names if name not in self.encoded]
        encoded = [name for name in names if name in self.encoded]
        component, factors, log_q = self._draw_factors(snapshot, closed, encoded)
        score = self._prior(drawn, component, factors) - log_q
        score = score + sum(self._closed_density(name, snapshot, factors) for name in closed)
        score = score + sum(self._encoded_density(name, snapshot, factors) for name in encoded)
        return score.logsumexp(0) - log(self.n)

    def _draw_factors(
        self, snapshot: Snapshot, closed: Sequence[str], encoded: Sequence[str]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Components (n, rows), factors (n, rows, K) and log q of both, (n, rows), given each draw of the latents."""
        parts = []
        for i in range(self.n if encoded else 1):
            local = self.guide.infer(
                self._view_rows(snapshot, closed, encoded, i),
                self.batch.n,
                snapshot=snapshot,
                iterations=LEARNING_STEPS,
                groups=self.batch.groups,
            )
            parts.append(_drawn(local, *(noise[i : i + 1] if encoded else noise for noise in self.noise)))
        component, factors, log_q = (torch.cat(values) for values in zip(*parts, strict=True))
        return component, factors, log_q

    def _view_rows(
        self, snapshot: Snapshot, closed: Iterable[str], encoded: Iterable[str], i: int
    ) -> dict[str, ViewRows]:
        """What views say of the factors given θ; encoders' latents are points here, as drawn."""
        data = {name: self.batch.data[name] for name in closed}
        views = self.guide.view_rows(data, self.batch.observed, snapshot=snapshot)
        for name in encoded:
            present = self.rows[name].mask > 0
            views[name] = GaussianRows(snapshot.views[name], present, self.latents[name][0][i])
        return views

    def _closed_density(self, name: str, snapshot: Snapshot, factors: Tensor) -> Tensor:
        latents = _latents(snapshot.views[name], factors)
        scores = self.guide.model.emission(name).log_density(
            latents.mean, latents.variance, self.batch.data[name]
        )
        return _total(cast(Tensor, scores), self.batch.observed[name])  # without networks there is a formula

    def _encoded_density(self, name: str, snapshot: Snapshot, factors: Tensor) -> Tensor:
        latents, worth = self.latents[name]
        prior = _latents(snapshot.views[name], factors).log_prob(latents).sum(-1)
        return worth + prior * self.rows[name].mask[:, 0]

    def _prior(self, drawn: Mapping[str, Tensor], component: Tensor, factors: Tensor) -> Tensor:
        """log p(c_n, g_n | θ), (n, rows), as the model has it."""
        sites = {**drawn, "component": component, "factors": factors}
        trace = poutine.trace(poutine.condition(partial(self._emit_factors), data=sites)).get_trace()
        trace.compute_log_prob(lambda name, site: name in ("component", "factors"))
        logs = [trace.nodes[name]["log_prob"] for name in ("component", "factors") if name in trace.nodes]
        return reduce(torch.add, logs)

    def _emit_factors(self) -> None:
        model = self.guide.declaration
        shared = model.factors.sample_globals(model.n_factors, self.guide.device)
        with pyro.plate("rows", self.batch.n, dim=-1):
            model.factors.sample_rows(shared, model.n_factors, self.guide.device, self.batch.groups)


def _latents(view: ViewSnapshot, factors: Tensor) -> Normal:
    """z given the factors and θ, (n, rows, D)."""
    mean = factors @ view.weights.weights.mT + view.weights.bias
    return Normal(mean, (view.noise**-0.5).expand_as(mean), validate_args=False)


def _drawn(local: Rows, uniform: Tensor, normal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Components, factors and log q of both from uniform (n, rows) and normal (n, rows, K) noise."""
    shares = local.responsibilities
    component = (uniform[..., None] > shares.cumsum(1)[:, :-1]).sum(-1)  # (n, rows)
    row = torch.arange(len(shares), device=shares.device)
    mean = local.component_factors[row, component]
    root = local.covariance.of_rows(torch.linalg.cholesky(local.covariance.matrices))
    factors = mean + (root @ normal[..., None])[..., 0]
    q = MultivariateNormal(mean, scale_tril=root, validate_args=False)
    return component, factors, shares[row, component].log() + q.log_prob(factors)


def _total(scores: Tensor, observed: Tensor) -> Tensor:
    """Σ of scores (n, rows, ...) over what is observed, by row, (rows, 1), or by entry, in float64: (n, rows)."""
    dims = scores.dim() - 1  # of a row, and its own
    observed = observed.reshape(len(observed), *observed.shape[1:dims], *[1] * (dims - observed.dim()))
    return torch.where(observed, scores, 0.0).to(torch.float64).reshape(*scores.shape[:2], -1).sum(-1)
