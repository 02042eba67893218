"""How much of the data themselves the shared factors explain, link and decoder included."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pyro_favae.data import Dataset
from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.rows import Rows
from pyro_favae.results import Fit
from pyro_favae.results.predictive import inferred_batches, latent_moments

ROUNDING = 1e-24  # of the data's squares: less variance than this is none


@torch.no_grad()
def data_shares(fit: Fit, dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Shares of the data's variance by view and factor, (M, K), and of all factors together, (M,).

    R²(S) = 1 − Σ(x − E[x | factors in S, the others at their mean])² / Σ(x − x̄)², in two passes. A factor's share is
    the mean of R²({k}) − R²(∅) and R²(all) − R²(all but k): its Shapley value, where R² is quadratic in the factors.
    """
    names = fit.posterior.names
    factors, data = _centres(fit, dataset)
    sums = [torch.zeros(()) for _ in names]
    for batch, rows in inferred_batches(fit.guide, dataset):
        for i, name in enumerate(names):
            seen = batch.data[name], batch.observed[name]
            sums[i] = sums[i] + _squares(fit, name, rows, *seen, factors[i], data[i])
    k = len(factors[0])
    size, total, *residuals = torch.stack(sums).split([1, 1, 1, 1, k, k], 1)
    total = torch.where(total > ROUNDING * size, total, torch.nan)
    everything, nothing, alone, without = (1 - squares / total for squares in residuals)
    return (alone - nothing + everything - without) / 2, everything[:, 0]


def _centres(fit: Fit, dataset: Dataset) -> tuple[list[Tensor], list[Tensor]]:
    """By view, over what is observed of it: means of the factors, (K,), and of the data, (*event)."""
    names = fit.posterior.names
    number, factors, count, data = ([torch.zeros(()) for _ in names] for _ in range(4))
    for batch, rows in inferred_batches(fit.guide, dataset):
        for i, name in enumerate(names):
            expected = _expected(fit, name, rows, rows.factors)
            target, mask = _target(batch.data[name], batch.observed[name], expected)
            present = batch.observed[name].flatten(1).any(1)
            number[i] = number[i] + present.sum()
            factors[i] = factors[i] + rows.factors[present].sum(0)
            count[i] = count[i] + mask.sum(0)
            data[i] = data[i] + (mask * target).sum(0)
    means = [total / n for total, n in zip(factors, number, strict=True)]
    return means, [total / n.clamp_min(1) for total, n in zip(data, count, strict=True)]


def _squares(
    fit: Fit, name: str, rows: Rows, values: Tensor, observed: Tensor, centre: Tensor, mean: Tensor
) -> Tensor:
    """Sums of squares, (2 K + 4,): of the data, about the mean, and about what all, none, each one and all but one of
    the factors expect.
    """
    k = len(centre)
    eye = torch.eye(k).to(centre)
    chosen = torch.cat([torch.ones_like(eye[:1]), torch.zeros_like(eye[:1]), eye, 1 - eye])
    squares = []
    for inside in chosen:
        expected = _expected(fit, name, rows, centre + inside * (rows.factors - centre))
        target, mask = _target(values, observed, expected)
        squares.append((mask * (target - expected).square()).sum())
    about_mean = (mask * (target - mean).square()).sum()
    size = (mask * target.square()).sum()
    return torch.stack([size, about_mean, *squares])


def _expected(fit: Fit, name: str, rows: Rows, factors: Tensor) -> Tensor:
    """E[x | factors], (rows, *event), with the latents' noise and uncertainty where the link has a formula."""
    posterior, emission = fit.posterior.view(name), fit.model.emission(name)
    latents = factors @ posterior.weights.weights.mT + posterior.weights.bias
    known = emission.moments(latents, _latent_variance(posterior, rows))
    return (emission.decode(latents) if known is None else known[0]).to(torch.float64)


def _latent_variance(posterior: ViewPosterior, rows: Rows) -> Tensor:
    """Predictive variances of a view's latents over all components, (rows, D)."""
    mean, variance = latent_moments(posterior, rows)
    share = rows.responsibilities[..., None]
    return (share * (variance + mean.square())).sum(1) - (share * mean).sum(1).square()


def _target(values: Tensor, observed: Tensor, expected: Tensor) -> tuple[Tensor, Tensor]:
    """Data in the shape of what is expected of them, and 1 where they are observed.

    Codes of classes become one-hot; of embeddings with variances only what comes before these is expected.
    """
    if values.dim() < expected.dim():
        target = one_hot(values.to(torch.long), expected.shape[-1])
        observed = observed.reshape(*observed.shape[: values.dim()], *[1] * (expected.dim() - values.dim()))
    else:
        target = values[:, : expected.shape[1]]
    mask = observed.reshape(*observed.shape, *[1] * (expected.dim() - observed.dim()))
    return target.to(expected), mask.to(expected).expand_as(expected)
