"""Fitting: the one place that puts data, loop and result together."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from pyro_favae.data import prepare
from pyro_favae.errors import SpecError
from pyro_favae.inference.fit import Run, Settings
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.history import Callback
from pyro_favae.models.declaration import require_count, require_positive
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.results.fit import Fit


def pyro_pair(model: FAVAE, n_rows: int = 1) -> tuple[FAVAEModel, FAVAEGuide]:
    """Return the untrained Pyro (model, guide) of a declaration, for a data set of ``n_rows`` rows."""
    favae_model = FAVAEModel(model, n_rows)
    return favae_model, FAVAEGuide(favae_model)


def fit(
    model: FAVAE,
    data: Mapping[str, Any],
    *,
    epochs: int = 200,
    tolerance: float = 1e-5,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    schedule: Literal["joint", "closed-form", "stochastic"] = "joint",
    seed: int | None = None,
    start: Literal["pca", "random"] = "pca",
    device: str | torch.device = "auto",
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Fit:
    """Learn a declared model from data.

    model: the declaration. data: by view name, arrays, tensors, lists or data frames (aligned by index); a row
    of NaN, a shorter index or ``None`` marks a row that lacks the view, a single NaN a missing entry of a table. With
    a grouped prior of the factors, each row's label stands beside the views under the prior's column.
    Memory-mapped arrays are streamed from disk, with the same result. epochs: passes over the data at most; exact
    sweeps, where every view has a closed form. tolerance: stop when a pass raises the bound by less than this
    share of it. batch_size: rows a gradient step. schedule: ``"joint"``, ``"closed-form"`` to leave the
    networks as they are, or ``"stochastic"`` to learn closed forms too from minibatches, by decayed
    statistics, where N is so large that a few passes must do. seed: makes the run repeatable; drawn from torch's
    generator when None. start: closed-form views start from their joint principal components, ``"pca"``, or from
    ``"random"`` weights, to see whether the result depends on the start. device: ``"auto"`` takes a CUDA GPU where
    there is one. callbacks: called with the record of each pass, a mapping with ``elbo``, its terms and ``active``;
    returning True ends the run. Ctrl-C ends it too and returns the fit so far.

    Raises :class:`DataError` for data the views cannot hold, :class:`NumericalError` if numbers go bad.
    """
    if not isinstance(model, FAVAE):
        raise SpecError(f"fit needs a declaration fv.FAVAE(...), seen a {type(model).__name__}")
    require_count("fit", epochs=epochs, batch_size=batch_size)
    require_positive("fit", learning_rate=learning_rate, tolerance=tolerance)
    if schedule not in ("joint", "closed-form", "stochastic"):
        raise SpecError(f"fit: schedule is {schedule!r}, expected 'joint', 'closed-form' or 'stochastic'")
    if start not in ("pca", "random"):
        raise SpecError(f"fit: start is {start!r}, expected 'pca' or 'random'")
    dataset = prepare(model, data)
    seed = int(torch.randint(2**31 - 1, ())) if seed is None else seed
    place = _device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        favae_model, guide = pyro_pair(model, len(dataset))
        favae_model.to(place)
        guide.to(place)
        settings = Settings(
            epochs=epochs,
            tolerance=tolerance,
            batch_size=batch_size,
            learning_rate=learning_rate,
            schedule=schedule,
            seed=seed,
            start=start,
            progress=progress,
            callbacks=tuple(callbacks),
        )
        outcome = Run(guide, dataset, settings)()
    return Fit(guide, outcome.history, outcome.ended_by)


def _device(device: str | torch.device) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SpecError(
            f"device {str(device)!r} cannot be used here: {error}; 'auto' takes what there is"
        ) from error
    return torch.device(device)
