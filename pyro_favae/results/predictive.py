"""Predictive distributions of any view given any subset of views."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.data import Batch, Dataset, given_views
from pyro_favae.errors import SpecError, shown
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.results.tables import Factors, Prediction

CHUNK = 512  # rows at a time, so that memory does not grow with the number asked for
DRAWS = 64  # for moments that have no formula, and the most that are made at a time


def inferred(guide: FAVAEGuide, dataset: Dataset) -> Iterator[Rows]:
    """q of the rows of a data set, a chunk at a time."""
    for _, rows in inferred_batches(guide, dataset):
        yield rows


def inferred_batches(guide: FAVAEGuide, dataset: Dataset) -> Iterator[tuple[Batch, Rows]]:
    """The same beside the data that they are of."""
    snapshot = guide.snapshot()
    for batch in dataset.in_order(CHUNK, guide.device):
        views = guide.view_rows(batch.data, batch.observed, snapshot=snapshot)
        yield batch, guide.infer(views, batch.n, snapshot=snapshot, groups=batch.groups)


def rows_given(guide: FAVAEGuide, given: Mapping[str, Any] | None, n: int = 1) -> Iterator[Rows]:
    """q of the rows that are given; of n rows of which nothing is known when nothing is."""
    return _known_rows(guide, given, n)[0]


def _known_rows(
    guide: FAVAEGuide, given: Mapping[str, Any] | None, n: int = 1
) -> tuple[Iterator[Rows], pd.Index]:
    """The same, and the rows' names."""
    if given is None:
        return iter([guide.infer({}, n)]), pd.RangeIndex(n)
    dataset = given_views(guide.declaration, given)
    return inferred(guide, dataset), dataset.index


@torch.no_grad()
def transform(guide: FAVAEGuide, given: Mapping[str, Any]) -> Factors:
    """Posterior of the factors given any subset of views."""
    means, covariances = [], []
    chunks, index = _known_rows(guide, given)
    for rows in chunks:
        means.append(rows.factors.cpu().numpy())
        covariances.append(rows.spread().cpu().numpy())
    mean, covariance = np.concatenate(means), np.concatenate(covariances)
    return Factors(mean, np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), covariance, index)


def latent_moments(posterior: ViewPosterior, rows: Rows) -> tuple[Tensor, Tensor]:
    """Mean and marginal variance of a view's latents within each component, (rows, C, D).

    N(W̄ḡ + b̄, W̄ Σ_g W̄ᵀ + E[1/τ] + ḡ̃ᵀ Σ_w ḡ̃ + tr(Σ_w Σ_g̃)): noise and both posterior uncertainties.
    """
    weights = posterior.weights
    covariance = rows.component_spread()
    factors = rows.component_factors
    mean = factors @ weights.weights.mT + weights.bias
    from_factors = ((weights.weights @ covariance) * weights.weights).sum(-1)  # (rows, D)
    from_weights = weight_uncertainty(posterior, factors)
    trace = torch.einsum("dkl,nkl->nd", weights.covariance[:, :-1, :-1], covariance)
    variance = from_factors + trace + posterior.noise.mean_inverse
    return mean, variance[:, None] + from_weights


def weight_uncertainty(posterior: ViewPosterior, factors: Tensor) -> Tensor:
    """g̃ᵀ Cov(w̃_d) g̃ for factors (..., K): (..., D), or (..., 1) where all features share it."""
    extended = torch.cat([factors, torch.ones_like(factors[..., :1])], -1)
    return torch.einsum("...k,dkl,...l->...d", extended, posterior.weights.covariance, extended)


@torch.no_grad()
def draw_latents(
    guide: FAVAEGuide, names: Sequence[str], rows: Rows, n: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """n joint draws of the latents of several views, (n, rows, D) each, from the same factors."""
    factors = _draw_factors(rows, n, generator)
    latents = {}
    for name in names:
        posterior = guide.posterior.view(name)
        mean = factors @ posterior.weights.weights.mT + posterior.weights.bias
        variance = posterior.noise.mean_inverse + weight_uncertainty(posterior, factors)
        latents[name] = mean + variance.sqrt() * _normal(mean, generator)
    return latents


def _draw_factors(rows: Rows, n: int, generator: torch.Generator) -> Tensor:
    """n draws of the factors of each row, (n, rows, K)."""
    component = torch.multinomial(rows.responsibilities, n, replacement=True, generator=generator).mT
    mean = rows.component_factors[torch.arange(component.shape[1], device=component.device), component]
    root = torch.linalg.cholesky(rows.component_spread())
    return mean + (root @ _normal(mean, generator)[..., None])[..., 0]


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def generator_for(guide: FAVAEGuide, seed: int | None) -> torch.Generator:
    """A generator on the guide's device; seeded from torch's own when seed is None."""
    return torch.Generator(device=guide.device).manual_seed(drawn_seed(seed))


def drawn_seed(seed: int | None) -> int:
    """A seed as given, or drawn from torch's own generator; raises :class:`SpecError` for what is none."""
    if seed is None:
        return int(torch.randint(2**31 - 1, ()))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise SpecError(f"seed is {shown(seed)}, expected None or a whole number from 0 to 2^63 − 1")
    return int(seed)


@torch.no_grad()
def generate(
    guide: FAVAEGuide,
    names: Sequence[str],
    given: Mapping[str, Any] | None,
    n: int,
    seed: int | None,
    expected: bool = False,
) -> dict[str, np.ndarray]:
    """n draws of each row's views, (n, rows, *event); of their expectation given drawn latents if so wished."""
    generator = generator_for(guide, seed)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for rows in rows_given(guide, given):
        for name, drawn in _drawn(guide, names, rows, n, generator, expected).items():
            parts[name].append(drawn)
    return {name: np.concatenate(chunks, 1) for name, chunks in parts.items()}


def _drawn(
    guide: FAVAEGuide,
    names: Sequence[str],
    rows: Rows,
    n: int,
    generator: torch.Generator,
    expected: bool = False,
) -> dict[str, np.ndarray]:
    """The same of the rows of one chunk, some draws at a time."""
    blocks: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for start in range(0, n, DRAWS):
        latents = draw_latents(guide, names, rows, min(DRAWS, n - start), generator)
        for name, values in latents.items():
            emission = guide.model.emission(name)
            read = emission.decode if expected else partial(emission.draw, generator=generator)
            blocks[name].append(in_pieces(read, values))
    return {name: np.concatenate(draws) for name, draws in blocks.items()}


def in_pieces(read: Callable[[Tensor], Tensor], latents: Tensor) -> np.ndarray:
    """Data (..., *event) that a function reads off latents (..., D), a chunk at a time."""
    parts = [read(part).cpu().numpy() for part in latents.reshape(-1, latents.shape[-1]).split(CHUNK)]
    values = np.concatenate(parts)
    return values.reshape(*latents.shape[:-1], *values.shape[1:])


def predict(
    guide: FAVAEGuide, name: str, given: Mapping[str, Any] | None, n_draws: int, seed: int | None
) -> Prediction:
    """Predictive mean and standard deviation of a view, and draws if asked for."""
    chunks, index = _known_rows(guide, given)
    return predict_rows(guide, name, chunks, index, n_draws, seed)


@torch.no_grad()
def predict_rows(
    guide: FAVAEGuide,
    name: str,
    chunks: Iterable[Rows],
    index: pd.Index,
    n_draws: int = 0,
    seed: int | None = None,
) -> Prediction:
    """The same for rows whose q and names are known."""
    generator = generator_for(guide, seed)
    means, deviations, draws = [], [], []
    for rows in chunks:
        mean, deviation = _moments(guide, name, rows, generator)
        means.append(mean.cpu().numpy())
        deviations.append(deviation.cpu().numpy())
        if n_draws:
            draws.append(_drawn(guide, [name], rows, n_draws, generator)[name])
    drawn = np.concatenate(draws, 1) if draws else None
    columns = guide.declaration.views[name].column_names
    return Prediction(np.concatenate(means), np.concatenate(deviations), drawn, index, columns)


def _moments(
    guide: FAVAEGuide, name: str, rows: Rows, generator: torch.Generator, own: ViewRows | None = None
) -> tuple[Tensor, Tensor]:
    """Predictive mean and standard deviation of a view, (rows, *event).

    own: the view's rows, where its private latents are to be kept, not drawn anew, of rows that have it; where the
    latents are the data themselves, an entry has no other source than the factors.
    """
    emission = guide.model.emission(name)
    known = emission.moments(*latent_moments(guide.posterior.view(name), rows))
    if known is None:
        return _moments_by_draws(guide, name, rows, generator, own)
    mean, variance = known
    share = rows.responsibilities[..., None]
    total = (share * mean).sum(1)
    spread = (share * (variance + mean.square())).sum(1) - total.square()
    return total, spread.clamp_min(0).sqrt()


def _moments_by_draws(
    guide: FAVAEGuide, name: str, rows: Rows, generator: torch.Generator, own: ViewRows | None = None
) -> tuple[Tensor, Tensor]:
    emission = guide.model.emission(name)
    latents = draw_latents(guide, [name], rows, DRAWS, generator)[name]
    if isinstance(own, EncodedRows) and own.mask.any():
        encoded = own.mean + own.latent_variance.sqrt() * _normal(latents, generator)
        latents = torch.where(own.mask > 0, encoded, latents)
    first = second = torch.zeros(())
    for draw in latents:
        decoded = emission.decode(draw)
        first, second = first + decoded / DRAWS, second + decoded.square() / DRAWS
    return first, (second - first.square()).clamp_min(0).sqrt()


@torch.no_grad()
def impute(guide: FAVAEGuide, dataset: Dataset) -> dict[str, np.ndarray]:
    """The data with what is missing filled by its predictive mean given the rest of its row."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in dataset.views}
    generator = generator_for(guide, 0)
    for batch, rows in inferred_batches(guide, dataset):
        for (name, values), own in zip(batch.data.items(), rows.views, strict=True):
            observed = batch.observed[name]
            if not observed.all():
                size = values.dim()
                observed = observed.reshape(*observed.shape[:size], *[1] * (size - observed.dim()))
                filling = guide.model.emission(name).filling(*_moments(guide, name, rows, generator, own))
                values = torch.where(observed, values, filling.to(values.dtype))
            parts[name].append(values.cpu().numpy())
    return {name: np.concatenate(chunks) for name, chunks in parts.items()}
