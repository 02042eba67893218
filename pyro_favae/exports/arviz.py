"""A fit as ArviZ's groups of draws."""

from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from pyro import poutine

from pyro_favae.results import Fit


@torch.no_grad()
def to_arviz(fit: Fit, draws: int = 1000, seed: int | None = None) -> Any:
    """Independent draws of every global quantity from its posterior, as one chain.

    Returns ArviZ's ``InferenceData`` (ArviZ 0.2x) or ``DataTree`` (1.x) with the group ``posterior``: for each
    view ``weights`` (draw, feature, factor) and ``bias`` (draw, feature) in the user's units, ``relevance``
    (draw, factor) and ``noise_precision`` in the model's own, where they are learnt; ``component_means`` and
    ``proportions`` of a mixture, ``group_means`` and ``group_precisions`` of grouped rows. Names are prefixed with
    the view and a dot. These are variational draws, not a Markov chain: R-hat and effective sample sizes say
    nothing about them.
    """
    import arviz  # here, because it takes a second and announces its next major version

    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31 - 1, ())) if seed is None else seed)
        traces = [_global_sites(fit) for _ in range(draws)]
    values = {name: np.stack([trace[name] for trace in traces])[None] for name in traces[0]}
    dims, coords = _dimensions(fit)
    groups = {"posterior": values}
    dims = {name: dims[name] for name in values if name in dims}
    if int(version("arviz").split(".")[0]) >= 1:
        return arviz.from_dict(groups, coords=coords, dims=dims)
    return arviz.from_dict(**groups, coords=coords, dims=dims)


def _global_sites(fit: Fit) -> dict[str, np.ndarray]:
    trace = poutine.trace(fit.posterior.sample).get_trace()
    sites = {name: site["value"] for name, site in trace.nodes.items() if site["type"] == "sample"}
    sites = {name: value for name, value in sites.items() if isinstance(value, torch.Tensor)}
    for name in fit.declaration.views:
        unit = fit.model.emission(name).unit
        if unit is not None:
            sites[f"{name}.weights"] = sites[f"{name}.weights"] * unit[:, None]
            sites[f"{name}.bias"] = fit.model.emission(name).decode(sites[f"{name}.bias"])
    plates = {
        name for name in sites if name.endswith((".features", ".factors")) or name in ("components", "groups")
    }
    return {name: value.cpu().numpy() for name, value in sites.items() if name not in plates}


def _dimensions(fit: Fit) -> tuple[dict[str, list[str]], dict[str, Any]]:
    dims: dict[str, list[str]] = {
        "component_means": ["component", "factor"],
        "proportions": ["component"],
        "group_means": ["group", "factor"],
        "group_precisions": ["group", "factor"],
    }
    coords: dict[str, Any] = {"factor": np.arange(fit.declaration.n_factors)}
    coords["component"] = np.arange(fit.declaration.factors.n_components)
    if fit.declaration.factors.column is not None:
        coords["group"] = list(fit.declaration.factors.groups)
    for name, view in fit.declaration.views.items():
        feature = f"{name}.feature"
        coords[feature] = list(view.feature_names)
        dims |= {f"{name}.weights": [feature, "factor"], f"{name}.bias": [feature]}
        dims[f"{name}.relevance"] = ["factor"]
        if fit.declaration.noise_of(name).per_feature:
            dims[f"{name}.noise_precision"] = [feature]
    return dims, coords
