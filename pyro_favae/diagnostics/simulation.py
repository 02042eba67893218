"""Simulation-based calibration: posteriors of data drawn from the prior, against what these were drawn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from pyro import poutine
from scipy.stats import chisquare
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.errors import SpecError
from pyro_favae.fitting import fit as fit_closed_form
from pyro_favae.fitting import pyro_pair
from pyro_favae.models.declaration import require_count
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.views import DecoderView
from pyro_favae.results import Fit
from pyro_favae.results.draws import global_draws, sampled, seeded

FEWEST = 20  # simulations
ENOUGH = 5  # of them in a bin
DOUBT = 0.01  # probability below which ranks do not pass for uniform
ABSURD = 1e10  # a precision above this, or below its inverse, describes no data

Sites = Mapping[str, Tensor]  # one value of every global site
Quantity = Callable[[Sites], Tensor]


@dataclass(frozen=True, repr=False)
class SBC:
    """Ranks of true values among posterior draws; see :func:`simulation_based_calibration`."""

    ranks: pd.DataFrame  # (simulations, quantities), 0 to draws
    draws: int

    @property
    def table(self) -> pd.DataFrame:
        """By quantity: ``p_value`` of uniform ranks, ``centre``, ``spread`` and what they say, ``reading``.

        p_value: χ² of the ranks in equally likely bins. centre: mean rank as a share, ½ if calibrated, above it where
        posteriors are too low. spread: standard deviation of the ranks over that of uniform ones; above 1 where
        posteriors are too narrow, below 1 where they are too wide. reading: ``"uniform"`` unless p_value is below
        0.01, then the more conspicuous of the two.
        """
        n = len(self.ranks)
        share = (self.ranks + 0.5) / (self.draws + 1)
        frame = pd.DataFrame({"p_value": self.ranks.apply(self._p_value), "centre": share.mean()})
        variance = share.var(ddof=0)
        frame["spread"] = np.sqrt(12 * variance)
        shifted = (frame["centre"] - 0.5) * np.sqrt(12 * n)  # in standard errors
        widened = (variance - 1 / 12) * np.sqrt(180 * n)
        readings = np.where(shifted > 0, "too low", "too high")
        readings = np.where(
            widened.abs() > shifted.abs(), np.where(widened > 0, "too narrow", "too wide"), readings
        )
        frame["reading"] = np.where(frame["p_value"] < DOUBT, readings, "uniform")
        return frame.rename_axis("quantity")

    @property
    def bins(self) -> int:
        """The largest number of equally likely bins with five simulations in each, two at least."""
        sizes = [b for b in range(2, self.draws + 2) if (self.draws + 1) % b == 0]
        return max([b for b in sizes if len(self.ranks) / b >= ENOUGH], default=sizes[0])

    def _p_value(self, ranks: pd.Series) -> float:
        counts = np.bincount(ranks * self.bins // (self.draws + 1), minlength=self.bins)
        return float(chisquare(counts).pvalue)

    def __repr__(self) -> str:
        return f"SBC of {len(self.ranks)} simulations, {self.draws} draws each\n{self.table.round(3)}"


def simulation_based_calibration(
    declaration: FAVAE,
    n_rows: int,
    *,
    n_simulations: int = 100,
    draws: int = 63,
    seed: int = 0,
    quantities: Mapping[str, Quantity] | None = None,
    fit: Callable[..., Fit] = fit_closed_form,
    progress: bool = True,
    **settings: Any,
) -> SBC:
    """Draw globals and data of n rows from the prior, fit, and rank the true values among posterior draws.

    Were the posteriors exact the ranks would be uniform (Talts, Betancourt, Simpson, Vehtari and Gelman 2018). A
    factorised posterior is too narrow in what its blocks share; the table says in which quantities, and how much.

    Only what a rotation of the factors leaves alone has a rank that means anything. By default, for each view,
    ``noise_precision`` and ``bias`` of its first feature, ``variance``, w₁ᵀw₁, and ``covariance``, w₁ᵀw₂, which the
    factors give its first two; and ``cross``, between the first features of two views. quantities: others, functions
    of the global sites of one draw (``<view>.weights`` (D, K), ...) to a number.

    declaration: closed-form views in the units that the prior is about, ``standardise="none"``, and priors that are
    proper in more than name: the default Gammas of 1e-3 draw precisions below 1e-300, whose data teach nothing.
    ``fv.priors.Gamma(2, 2)`` and ``fv.priors.ARD(2, 2)`` will do. n_simulations, draws: how many, one more draw
    a multiple of many numbers, such as 63. fit: what learns, called as :func:`pyro_favae.fit` with ``settings``.
    Raises :class:`SpecError` for a declaration that does not qualify.
    """
    require_count("simulation_based_calibration", n_rows=n_rows, n_simulations=n_simulations, draws=draws)
    if n_simulations < FEWEST:
        raise SpecError(
            f"simulation_based_calibration: {n_simulations} simulations, expected at least {FEWEST}"
        )
    _require_closed_forms(declaration)
    quantities = _quantities(declaration) if quantities is None else quantities
    ranks = []
    for i in tqdm(range(n_simulations), disable=not progress, desc="SBC", unit="simulation"):
        truth, data = _simulated(declaration, n_rows, seed + i)
        learnt = fit(declaration, data, **{"seed": seed + i, "progress": False} | settings)
        with seeded(learnt.guide, seed + i):
            drawn = global_draws(learnt.guide, draws)
        ranks.append(_ranks(quantities, truth, {name: values.cpu() for name, values in drawn.items()}))
    return SBC(pd.DataFrame(ranks).rename_axis("simulation"), draws)


def _require_closed_forms(declaration: FAVAE) -> None:
    for name, view in declaration.views.items():
        if isinstance(view, DecoderView) or not view.is_drawn:
            raise SpecError(
                f"simulation_based_calibration: view {name!r} is a {type(view).__name__}, expected views whose data "
                "the model draws without networks, such as Real, Bernoulli and Categorical"
            )
        standardise = getattr(view, "standardise", "none")
        if standardise != "none":
            raise SpecError(
                f"simulation_based_calibration: view {name!r} has standardise={standardise!r}, which makes "
                "units of the data and so another prior of every data set; expected standardise='none'"
            )


def _quantities(declaration: FAVAE) -> dict[str, Quantity]:
    names: list[str] = list(declaration.views)
    found: dict[str, Quantity] = {}
    learnt = sampled(pyro_pair(declaration)[1].posterior.sample)  # not what is known
    for name, view in declaration.views.items():
        if f"{name}.noise_precision" in learnt:
            found[f"{name}.noise_precision"] = partial(_first, f"{name}.noise_precision")
        found[f"{name}.bias"] = partial(_first, f"{name}.bias")
        found[f"{name}.variance"] = partial(_product, (name, 0), (name, 0))
        if view.latent_dim > 1:
            found[f"{name}.covariance"] = partial(_product, (name, 0), (name, 1))
    for a, b in zip(names, names[1:], strict=False):
        found[f"cross {a} {b}"] = partial(_product, (a, 0), (b, 0))
    return found


def _first(site: str, sites: Sites) -> Tensor:
    return sites[site].reshape(-1)[0]


def _product(one: tuple[str, int], other: tuple[str, int], sites: Sites) -> Tensor:
    """Inner product of the weights of two features, each named by its view and its position there."""
    return sites[f"{one[0]}.weights"][one[1]] @ sites[f"{other[0]}.weights"][other[1]]


@torch.no_grad()
def _simulated(declaration: FAVAE, n_rows: int, seed: int) -> tuple[Sites, dict[str, Any]]:
    """Every site's true value, and data as a user has them."""
    model, prior = FAVAEModel(declaration, n_rows), declaration.factors
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        known, labels = {}, {}
        if prior.column is not None:
            positions = torch.randint(len(prior.groups), (n_rows,))
            known, labels = {prior.column: positions}, {prior.column: [prior.groups[i] for i in positions]}
        trace = poutine.trace(model).get_trace(known, rows=n_rows)
    drawn = {name: site for name, site in trace.nodes.items() if site["type"] == "sample"}
    sites = {name: cast(Tensor, site["value"]) for name, site in drawn.items()}
    for name, site in drawn.items():
        if _is_precision(site):
            _require_sensible(name, sites[name])
    views = cast(dict[str, Tensor], trace.nodes["_RETURN"]["value"])
    return sites, {name: views[name].numpy() for name in declaration.views} | labels


def _is_precision(site: Mapping[str, Any]) -> bool:
    """Whether a site is positive and unbounded, as what Gammas draw."""
    support = getattr(site["fn"], "support", None)
    support = getattr(support, "base_constraint", support)
    return getattr(support, "lower_bound", None) == 0 and not hasattr(support, "upper_bound")


def _require_sensible(name: str, value: Tensor) -> None:
    if value.min() < 1 / ABSURD or value.max() > ABSURD:
        extreme = value.min() if value.min() < 1 / ABSURD else value.max()
        raise SpecError(
            f"simulation_based_calibration: the prior drew {name} = {float(extreme):.2g}, and data to match; "
            "expected a prior whose draws look like data, such as fv.priors.Gamma(2, 2) for the noise and "
            "fv.priors.ARD(2, 2) for the weights. The defaults of 1e-3 say nothing at all and are for learning only"
        )


def _ranks(quantities: Mapping[str, Quantity], truth: Sites, drawn: Sites) -> dict[str, int]:
    """How many draws lie below the truth."""
    count = len(next(iter(drawn.values())))
    found = {}
    for name, quantity in quantities.items():
        values = [quantity({site: values[i] for site, values in drawn.items()}) for i in range(count)]
        found[name] = int((torch.stack(values) < quantity(truth)).sum())
    return found
