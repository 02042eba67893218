"""A fit as ArviZ's groups of draws."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pyro_favae.data import prepare
from pyro_favae.errors import SpecError
from pyro_favae.exports.dimensions import Dimensions
from pyro_favae.exports.draws import Wanted, rows_drawn
from pyro_favae.models.declaration import require_count, require_positive
from pyro_favae.results import Fit, Samples
from pyro_favae.results.draws import global_draws, seeded
from pyro_favae.results.likelihood import LATENT_DRAWS, row_log_likelihood

if TYPE_CHECKING:
    import xarray as xr

FIT_DRAWS = 1000
SAMPLING = (
    "independent draws from a variational posterior, as one chain: R-hat and effective sample sizes say nothing "
    "about how well it was found, so summarise with kind='stats'; diagnostics.psis says how good it is"
)
CHAINS = (
    "chains of a Gibbs sampler from the exact posterior; factors are those of another draw only up to rotation and "
    "sign, so judge chains by communality, bias and noise_precision, or align the draws first (Samples.aligned)"
)
CONDITIONAL = (
    "'data' is log p(x_n | globals) of a whole row, its factors and latents integrated out; '<view>.data' is that of "
    "one view given the row's other views; both over the rows that have them, in nats"
)


@torch.no_grad()
def to_arviz(
    fit: Fit | Samples,
    data: Mapping[str, Any] | None = None,
    *,
    draws: int | None = None,
    seed: int | None = None,
    local: bool = False,
    predictive: bool = True,
    log_likelihood: bool = True,
    n_latents: int = LATENT_DRAWS,
    max_gigabytes: float = 4.0,
    progress: bool = True,
) -> Any:
    """A fit, and what it says of data, as ArviZ's ``InferenceData`` (ArviZ 0.2x) or xarray's ``DataTree`` (1.x).

    Draws of a fit are independent ones of the variational posterior, as one chain: R-hat and effective sample sizes
    say nothing about them. Those of :class:`pyro_favae.Samples` are the sampler's chains, and rows' own sites follow
    each draw of the globals. Groups, with dimensions named by view, ``<view>.feature``, ``factor`` and ``row``:

    ``posterior``: for each view ``<view>.weights`` (draw, feature, factor) and ``<view>.bias`` in the user's units,
    ``relevance`` and ``noise_precision`` in the model's own, where they are learnt, and what other priors have;
    ``<view>.communality`` of samples, Σ_k w_dk² (draw, feature), which no rotation changes;
    ``component_means`` and ``proportions`` of a mixture, ``group_means`` and ``group_precisions`` of grouped rows.
    With ``local``, the rows' ``factors`` (draw, row, factor), ``row_component`` and ``<view>.latents`` too.
    ``history``: the bound and its terms after each pass, nats.

    With data, as in :func:`pyro_favae.fit`: ``observed_data``, ``<view>.data`` (row, ...), NaN where missing.
    ``posterior_predictive``: the same rows drawn anew from their own factors and latents, noise included, NaN where
    the data are. ``log_likelihood``, in nats: ``data`` (draw, data.row), log p(x_n | globals) of whole rows, what
    leaving a row out needs; ``<view>.data`` (draw, <view>.row), the same of one view given the row's other views,
    what leaving out that view of that row needs; the row's factors and latents are integrated out. A view's has the
    rows that have the view, so that ``arviz.loo(..., var_name="data")`` works. Where views are Gaussian given the
    factors this is exact; with binary and categorical views and behind encoders it is an average over ``n_latents``
    draws of the row's own, with the same noise for every draw of the globals, see
    :func:`pyro_favae.results.likelihood.row_log_likelihood`. Networks are points, learnt from these rows too.

    Embeddings with variances are not draws of anything, so they are in neither ``observed_data`` nor
    ``posterior_predictive``; their likelihood is the expectation over q(z), as in the bound.

    draws: how many, 1000 of a fit, or of each chain of samples, all of them when None and evenly spaced otherwise.
    seed: makes what is drawn repeatable. predictive, log_likelihood: leave a group out. Raises
    :class:`DataError` when the draws would take more than ``max_gigabytes``, and for data that do not fit;
    :class:`SpecError` for ``local`` without data.
    """
    samples = fit if isinstance(fit, Samples) else None
    source = fit.fit if isinstance(fit, Samples) else fit
    if draws is None:
        draws = FIT_DRAWS if samples is None else samples.draws
    require_count("to_arviz", draws=draws, n_latents=n_latents)
    require_positive("to_arviz", max_gigabytes=max_gigabytes)
    if local and data is None:
        raise SpecError("to_arviz: local draws are of the rows of some data, but data is None")
    dataset = None if data is None else prepare(source.declaration, data)
    chains = 1 if samples is None else samples.chains
    wanted = Wanted(
        source, dataset, chains * draws, local, predictive and dataset is not None, exact=samples is not None
    )
    wanted.require_memory(max_gigabytes)
    dimensions = Dimensions(source, dataset, chains)
    with seeded(source.guide, seed):
        drawn = global_draws(source.guide, draws) if samples is None else _spaced(samples, draws)
        groups = {"posterior": _globals(source, drawn)}
        if samples is not None:
            groups["posterior"] |= _communality(source, groups["posterior"])
        if dataset is not None:
            rows, predicted, observed = rows_drawn(source, dataset, drawn, wanted)
            groups["posterior"] |= rows
            groups["posterior_predictive"], groups["observed_data"] = predicted, observed
            if log_likelihood:
                likelihoods = row_log_likelihood(
                    source.guide, dataset, drawn, _generator(source), n_latents, progress=progress
                )
                groups["log_likelihood"] = _log_likelihood(*likelihoods, dimensions)
    made = {name: dimensions.dataset(name, values) for name, values in groups.items() if values}
    made["posterior"].attrs["sampling"] = SAMPLING if samples is None else CHAINS
    if "log_likelihood" in made:
        made["log_likelihood"].attrs["conditional"] = CONDITIONAL
    if len(source.history):
        made["history"] = _history(source)
    return _container(made)


def _globals(fit: Fit, drawn: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Global sites, weights and biases in the user's units."""
    sites = dict(drawn)
    for name in fit.declaration.views:
        emission = fit.model.emission(name)
        if emission.unit is not None:
            sites[f"{name}.weights"] = sites[f"{name}.weights"] * emission.unit[:, None]
            sites[f"{name}.bias"] = emission.decode(sites[f"{name}.bias"])
    return {name: value.cpu().numpy() for name, value in sites.items()}


def _spaced(samples: Samples, draws: int) -> dict[str, torch.Tensor]:
    """So many draws of each chain, chain after chain; raises :class:`SpecError` for more than there are."""
    if draws > samples.draws:
        raise SpecError(f"to_arviz: draws is {draws}, expected at most the {samples.draws} of each chain")
    kept = torch.linspace(0, samples.draws - 1, draws).round().long()
    device = samples.fit.guide.device
    return {name: value[:, kept].flatten(0, 1).to(device) for name, value in samples.sites.items()}


def _communality(fit: Fit, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Variance of each feature that the factors explain, in the user's units, (draws, D)."""
    return {f"{view}.communality": (values[f"{view}.weights"] ** 2).sum(-1) for view in fit.declaration.views}


def _generator(fit: Fit) -> torch.Generator:
    return torch.Generator(device=fit.guide.device).manual_seed(int(torch.randint(2**31 - 1, ())))


def _log_likelihood(
    whole: torch.Tensor, by_view: Mapping[str, torch.Tensor], dimensions: Dimensions
) -> dict[str, np.ndarray]:
    """Of the rows that have data, by name."""
    values = {"data": whole} | {f"{name}.data": part for name, part in by_view.items()}
    return {name: part[:, dimensions.present(name)].cpu().numpy() for name, part in values.items()}


def _history(fit: Fit) -> "xr.Dataset":
    import xarray as xr  # here, because it takes a second

    numbers = fit.history.select_dtypes("number")
    coords = {"pass": ("pass", np.arange(len(numbers)))}
    if "stage" in fit.history:
        coords["stage"] = ("pass", fit.history["stage"].to_numpy(dtype=str))
    values = {name: ("pass", numbers[name].to_numpy()) for name in numbers}
    return xr.Dataset(values, coords, {"ended_by": fit.ended_by, "unit": "nats"})


def _container(groups: "Mapping[str, xr.Dataset]") -> Any:
    """The groups as the ArviZ that is installed holds them."""
    import arviz  # here, because it takes a second and announces its next major version
    import xarray as xr

    about = {"inference_library": "pyro_favae", "inference_library_version": version("pyro-favae")}
    for group in groups.values():
        group.attrs |= about
    if int(version("arviz").split(".")[0]) >= 1:
        return xr.DataTree.from_dict(dict(groups))
    return arviz.InferenceData(**groups)  # type: ignore[arg-type]  # no group is named as an option of its is
