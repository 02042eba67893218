"""Influential factors: how much each latent dimension, and each shared factor, says of the data."""

from collections.abc import Mapping
from dataclasses import replace
from functools import singledispatch
from typing import Any

import torch
from torch import Tensor

from pyro_favae.data import Dataset, given_views, prepare, require_view
from pyro_favae.diagnostics.gaussian_sums import GaussianSums
from pyro_favae.diagnostics.information import Marginal, MutualInformation, information_of
from pyro_favae.errors import SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.results import Fit, Pretrained
from pyro_favae.results.predictive import CHUNK, inferred_batches, latent_moments
from pyro_favae.results.pretrained import NAME


@singledispatch
def influence(fitted: Any, *arguments: Any, **options: Any) -> MutualInformation:
    """What each latent dimension of an encoder says of its data (rows, *event), in nats.

    ``influence(fit, view, data)`` of an encoder view of a fit, or ``influence(pretrained, data)`` of a VAE from
    ``fv.pretrain``; see :func:`mutual_information` for the estimate and for ``marginal``. Data are streamed; rows
    that lack the view are left out. The prior of ``divergence`` and ``bound`` is N(0, I) for a VAE; in a fit it is
    the view's own p(z_h), with factors, weights and noise integrated out, as a Gaussian.

    Raises :class:`SpecError` for a view without an encoder, :class:`DataError` for data that the view cannot hold and
    for fewer than two rows.
    """
    raise SpecError(f"influence of a {type(fitted).__name__}, expected a fit or what fv.pretrain returns")


@influence.register
@torch.no_grad()
def _(fitted: Fit, view: str, data: Any, marginal: Marginal = "matched") -> MutualInformation:
    require_view(fitted.declaration, view)
    if not fitted.guide.inference(view).trained_by_gradient:
        kind = type(fitted.declaration.views[view]).__name__
        raise SpecError(
            f"influence: view {view!r} is a {kind}, expected one with an encoder, such as an Image"
        )
    dataset = given_views(fitted.declaration, {view: data})
    sums = _encoded_sums(fitted.guide, view, dataset)
    return information_of(sums, marginal, _latent_prior(fitted.guide, view))


@influence.register
@torch.no_grad()
def _(fitted: Pretrained, data: Any, marginal: Marginal = "matched") -> MutualInformation:
    dataset = prepare(fitted.guide.declaration, {NAME: data})
    return information_of(_encoded_sums(fitted.guide, NAME, dataset), marginal)


@torch.no_grad()
def factor_influence(fit: Fit, data: Mapping[str, Any], marginal: Marginal = "matched") -> MutualInformation:
    """What each shared factor says of the data of the given views, in nats; moments of q(g_n) as the encoder's.

    data: any subset of the views. With one view alone it is what that view says of the factors, Î(x^m; g_k); rows
    that lack all the given views are left out. The total uses the joint covariances, ½ log|V| − ½ mean_n log|Σ_n|,
    so that what factors have in common counts once. Under a mixture of factors, q(g_n) and the prior are matched by
    Gaussians. See :func:`mutual_information` for ``marginal``.
    """
    dataset = given_views(fit.declaration, data)
    views = ", ".join(map(repr, dataset.views))
    sums = GaussianSums(f"posteriors of the factors given {views}")
    for batch, rows in inferred_batches(fit.guide, dataset):
        known = torch.stack([observed.flatten(1).any(1) for observed in batch.observed.values()]).any(0)
        sums.add(rows.factors[known], rows.spread()[known])
    prior = fit.guide.infer({}, 1)
    found = information_of(sums, marginal, (prior.factors[0], prior.spread()[0].diagonal()))
    return replace(found, total=found.joint, total_standard_error=found.joint_standard_error)


def view_influence(
    fit: Fit, data: Mapping[str, Any], marginal: Marginal = "matched"
) -> dict[str, MutualInformation]:
    """Which factors carry information about each view: :func:`factor_influence` of each given view alone, by name."""
    column = fit.declaration.factors.column
    groups = {column: data[column]} if column is not None and column in data else {}
    names = [name for name in data if name not in groups]
    return {name: factor_influence(fit, {name: data[name], **groups}, marginal) for name in names}


def _encoded_sums(guide: FAVAEGuide, name: str, dataset: Dataset) -> GaussianSums:
    """Sums over the encodings of the rows that have a view."""
    sums = GaussianSums(f"view {name!r}, its encoder's moments")
    inference, emission = guide.encoder(name), guide.decoder(name)
    for batch in dataset.in_order(CHUNK, guide.device, [name]):
        sums.add(*inference.encode_present(batch.data[name], batch.seen[name], emission))
    return sums


def _latent_prior(guide: FAVAEGuide, name: str) -> tuple[Tensor, Tensor]:
    """Mean and variance of p(z_h) of a view of which nothing is known, each (D,)."""
    rows = guide.infer({}, 1)
    means, variances = latent_moments(guide.posterior.view(name), rows)
    share = rows.responsibilities[..., None]
    mean = (share * means).sum(1)
    return mean[0], (share * (variances + means.square())).sum(1)[0] - mean[0].square()
