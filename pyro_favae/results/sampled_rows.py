"""What draws of the globals say of rows: factors drawn exactly for each, and predictions averaged over all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from pyro_favae.data import Dataset
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.sampling import Globals, Table, draw_factors
from pyro_favae.results.draws import seeded
from pyro_favae.results.tables import Prediction

CHUNK = 2**21  # numbers at a time: draws × rows × (factors squared, or features)

Flat = Mapping[str, Tensor]  # every global site, (draws, ...) each


@torch.no_grad()
def factors_by_draw(guide: FAVAEGuide, dataset: Dataset, flat: Flat) -> Iterator[tuple[slice, Tensor]]:
    """Some draws at a time, which and the rows' factors (·, rows, K), drawn with torch's own generator."""
    table, names = Table.of(guide, dataset), list(dataset.views)
    model = guide.declaration
    width = max(model.n_factors**2, *(view.latent_dim for view in model.views.values()))
    size, count = max(1, CHUNK // (table.n * width)), len(next(iter(flat.values())))
    for start in range(0, count, size):
        part = slice(start, min(start + size, count))
        yield part, draw_factors(table, _globals(guide, flat, names, part))


@torch.no_grad()
def predict(
    guide: FAVAEGuide, name: str, dataset: Dataset, flat: Flat, n_draws: int, seed: int | None
) -> Prediction:
    """Moments over all draws, noise included, and ``n_draws`` of them, evenly spaced."""
    emission, count = guide.model.emission(name), len(next(iter(flat.values())))
    kept = torch.linspace(0, count - 1, n_draws).round().long()
    centre: Tensor | None = None  # so that squares keep their digits
    first = second = torch.zeros((), dtype=torch.float64, device=guide.device)
    draws = []
    with seeded(guide, seed):
        for part, factors in factors_by_draw(guide, dataset, flat):
            weights, noise = _globals(guide, flat, [name], part)
            latents = factors @ weights[..., :-1].mT + weights[:, None, :, -1]
            centre = latents.mean(0) if centre is None else centre
            first = first + (latents - centre).sum(0)
            second = second + (latents - centre).square().sum(0) + (1 / noise).sum(0)
            wanted = kept[(kept >= part.start) & (kept < part.stop)] - part.start
            drawn = latents[wanted] + torch.randn_like(latents[wanted]) * noise[wanted, None] ** -0.5
            draws.append(emission.decode(drawn).cpu().numpy())
    above = first / count
    moments = emission.moments(cast(Tensor, centre) + above, second / count - above.square())
    columns = guide.declaration.views[name].column_names
    mean, variance = (moment.cpu().numpy() for moment in cast(tuple[Tensor, Tensor], moments))
    return Prediction(
        mean, np.sqrt(variance), np.concatenate(draws) if n_draws else None, dataset.index, columns
    )


def _globals(guide: FAVAEGuide, flat: Flat, names: Sequence[str], part: slice) -> Globals:
    """Some draws of some views' weights, biases and noise."""
    views = []
    for name in names:
        weights = torch.cat([flat[f"{name}.weights"], flat[f"{name}.bias"][..., None]], -1)[part]
        noise = flat.get(f"{name}.noise_precision")
        fixed = guide.posterior.view(name).noise.mean[None]
        noise = fixed if noise is None else noise[part].reshape(len(weights), -1)
        views.append((weights.to(guide.device), noise.to(guide.device)))
    return Globals.joined(views)
