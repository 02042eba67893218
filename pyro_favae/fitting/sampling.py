"""Draws from the exact posterior of a fitted model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from pyro_favae.data import prepare
from pyro_favae.errors import DataError
from pyro_favae.fitting.learning import require_fit
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.sampling import Chains, Table
from pyro_favae.models.declaration import require_count, require_flag, require_positive
from pyro_favae.results import Fit, Samples
from pyro_favae.results.draws import global_draws, seeded


@torch.no_grad()
def sample(
    fit: Fit,
    data: Mapping[str, Any],
    *,
    draws: int = 1000,
    chains: int = 4,
    warm_up: int = 200,
    thin: int = 1,
    seed: int | None = None,
    max_gigabytes: float = 4.0,
    progress: bool = True,
) -> Samples:
    """Draw from the exact posterior of everything that the rows share, by Gibbs sampling begun at a fit.

    A variational posterior is too narrow and, with few rows, shrunk; this one is exact but for Monte-Carlo error.
    Each sweep draws the rows' factors, and by view what stands above the weights, weights with bias, and noise, all
    given the rest, then moves along rotations, scales and shifts of the factors, which none of these could do alone
    (Liu and Sabatti 2000). It takes views.Real and views.Frozen without variances, rows and entries missing or not,
    standard normal factors, and any weight prior but priors.Custom. Data are held in memory.

    fit: where the chains begin, each at a draw from the variational posterior; its units are kept. data: as in
    :func:`fit`, the same that it was learnt from. draws: kept of each chain, of which ``chains`` run side by side.
    warm_up: sweeps before the first draw. thin: sweeps a draw. seed: makes the draws repeatable. Ctrl-C returns the
    draws so far.

    Raises :class:`SpecError` for a model that it cannot sample, naming the view or prior, :class:`DataError` for data
    that do not fit and for draws that would take over ``max_gigabytes``, :class:`NumericalError` if numbers go bad.
    """
    require_fit("sample", fit)
    require_count("sample", draws=draws, chains=chains, thin=thin)
    require_count("sample", least=0, warm_up=warm_up)
    require_positive("sample", max_gigabytes=max_gigabytes)
    require_flag("sample", progress=progress)
    dataset, guide = prepare(fit.declaration, data), fit.guide
    with seeded(guide, seed), DeferredInterrupt() as interrupt:
        start = global_draws(guide, chains)
        _require_memory(start, draws, max_gigabytes)
        state = Chains(guide, Table.of(guide, dataset), start)
        kept = {
            name: torch.empty(chains, draws, *value.shape[1:], dtype=value.dtype)
            for name, value in start.items()
        }
        done = _run(state, kept, warm_up, thin, draws, interrupt, progress)
    sites = {name: value[:, :done] for name, value in kept.items()}
    return Samples(fit, sites, "draws" if done == draws else "interrupted")


def _run(
    state: Chains,
    kept: Mapping[str, Tensor],
    warm_up: int,
    thin: int,
    draws: int,
    interrupt: DeferredInterrupt,
    progress: bool,
) -> int:
    """Fill in the draws; returns how many there are, fewer after Ctrl-C. Without any, Ctrl-C is raised."""
    done = 0
    with tqdm(total=warm_up + thin * draws, disable=not progress, desc="Gibbs", unit="sweep") as bar:
        for sweep in range(1, warm_up + thin * draws + 1):
            if interrupt.requested and done:
                break
            interrupt.check()
            state.sweep()
            bar.update()
            if sweep > warm_up and (sweep - warm_up) % thin == 0:
                for name, value in state.sites().items():
                    kept[name][:, done] = value.cpu()
                done += 1
    return done


def _require_memory(start: Mapping[str, Tensor], draws: int, gigabytes: float) -> None:
    size = draws * sum(8 * value.numel() for value in start.values())
    if size > gigabytes * 1e9:
        raise DataError(
            f"sample: {draws} draws would take {size / 1e9:.1f} GB, expected at most {gigabytes:g}; ask for fewer "
            "draws or chains, or raise max_gigabytes"
        )
