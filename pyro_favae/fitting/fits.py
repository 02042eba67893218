"""Learning a declared model, and going on with one that was learnt."""

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import torch

from pyro_favae.data import prepare
from pyro_favae.data.ahead import reading
from pyro_favae.errors import SpecError, SpecWarning, shown
from pyro_favae.fitting.checkpoint import Checkpoint
from pyro_favae.fitting.learning import (
    copy_views,
    encoder_views,
    learn,
    require_fit,
    seed_of,
    trained_views,
)
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.history import Callback
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.models.favae import FAVAE
from pyro_favae.results.fit import Fit
from pyro_favae.results.pretrained import Pretrained


def fit(
    model: FAVAE,
    data: Mapping[str, Any],
    *,
    epochs: int = 200,
    tolerance: float = 1e-5,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    schedule: Literal["joint", "closed-form", "stochastic"] = "joint",
    pretrained: Mapping[str, Pretrained] | None = None,
    train: Collection[str] | None = None,
    seed: int | None = None,
    start: Literal["pca", "random"] = "pca",
    device: str | torch.device = "auto",
    precision: Literal["full", "bfloat16"] = "full",
    compile: bool = False,
    workers: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike | None = None,
    every: int | str = "5min",
    resume: bool | str | os.PathLike = False,
) -> Fit:
    """Learn a declared model from data.

    model: the declaration. data: by view name, arrays, tensors, lists, sparse matrices, torch datasets, data frames
    or AnnData (aligned by the names of their rows); or a MuData. A row of NaN, a shorter index or ``None`` marks a
    row that lacks the view, a single NaN a missing entry of a table. With a grouped prior of the factors, each row's
    label stands beside the views under the prior's column. Memory-mapped arrays and torch datasets are
    streamed from disk, with the same result. epochs: passes over the data at most; exact sweeps, where every view has
    a closed form. tolerance: stop when a pass raises the bound by less than this share of it; of its size the
    likelihood behind networks that are left as they are, a constant, does not count. batch_size: rows a
    gradient step. schedule: ``"joint"``, ``"closed-form"`` to leave the networks as they are, or ``"stochastic"`` to
    learn closed forms too from minibatches, by decayed statistics, where N is so large that a few passes must do.
    pretrained: by view name, networks to start from, see :func:`pretrain`. train: the views whose networks are
    trained; when None, all that are not pretrained. Data behind other networks are encoded once and the rest is exact
    sweeps: conditioning a pretrained VAE takes seconds. seed: makes the run repeatable; drawn from torch's generator
    when None. start: views start from their joint principal components, ``"pca"``, or from ``"random"`` weights, to
    see whether the result depends on the start. device: ``"auto"`` takes a CUDA GPU where there is one. precision: of
    the networks in gradient steps, ``"bfloat16"`` for mixed precision; likelihoods, closed forms and what is read off
    stay as they are. compile: run the networks of gradient steps by torch.compile. workers: processes that read
    memory-mapped arrays and torch datasets ahead of their use, with the same result to the last bit. callbacks:
    called with the record of each pass, a mapping with ``elbo``, its terms and ``active``; returning True ends the
    run. Ctrl-C ends it too and returns the fit so far.
    checkpoint: a file to keep the run's state in, replaced only by a complete newer one. every: how often, a number
    of passes or a time such as ``"30s"``; besides, at each phase's beginning, on Ctrl-C and at the end. resume: go on
    with the checkpoint if it exists, True, or with the one at this path; with the same model, settings and data, on
    a CPU, the fit is the same to the last bit as if it had never stopped.

    Raises :class:`SpecError` for settings that do not fit the model or the checkpoint, :class:`DataError` for data
    the views cannot hold, :class:`NumericalError` if numbers go bad, :class:`LoadError` and :class:`SaveError` for
    a checkpoint that cannot be read or written; warns (:class:`SpecWarning`) of no more rows than factors.
    """
    if not isinstance(model, FAVAE):
        raise SpecError(f"fit needs a declaration fv.FAVAE(...), seen a {type(model).__name__}")
    pretrained = {} if pretrained is None else pretrained
    _require_pretrained(model, pretrained)
    names = [name for name in encoder_views(model) if name not in pretrained]
    scope = Scope.afresh(model.views, trained_views(model, train, names), known=pretrained)
    keep = Checkpoint.asked_for(checkpoint, every, resume)
    settings = Settings(
        epochs=epochs,
        tolerance=tolerance,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        seed=seed_of(seed, keep),
        start=start,
        progress=progress,
        callbacks=callbacks,
        precision=precision,
        compile=compile,
        workers=workers,
    )

    def plug_in(guide: FAVAEGuide) -> None:
        for name, networks in pretrained.items():
            networks.plug_into(guide, name)

    with reading(workers):
        dataset = prepare(model, data)
    if model.n_factors >= len(dataset):
        warnings.warn(
            f"fit: {model.n_factors} factors for {len(dataset)} rows, which fewer factors reproduce exactly; "
            "expected more rows than factors",
            SpecWarning,
            stacklevel=2,
        )
    return learn(model, dataset, settings, scope, device, plug_in, "fit", keep)


def refine(
    fitted: Fit,
    data: Mapping[str, Any],
    *,
    train: Collection[str] | None = None,
    seed: int | None = None,
    device: str | torch.device = "auto",
    checkpoint: str | os.PathLike | None = None,
    every: int | str = "5min",
    resume: bool | str | os.PathLike = False,
    **settings: Any,
) -> Fit:
    """Go on learning from where a fit stands, on the same or on other data; returns a new fit.

    train: the views whose networks are trained, all when None. checkpoint, every, resume, settings: those of
    :func:`fit`. Units that were read off the data stay as they were.
    """
    require_fit("refine", fitted)
    model = fitted.declaration
    everything = frozenset(model.views)
    trained = trained_views(model, train, encoder_views(model))
    scope = Scope(trained=trained, unknown=frozenset(), learnt=everything, fresh=frozenset())

    def known(guide: FAVAEGuide) -> None:
        copy_views(fitted.guide, guide, everything)

    keep = Checkpoint.asked_for(checkpoint, every, resume)
    chosen = Settings(seed=seed_of(seed, keep), **settings)
    with reading(chosen.workers):
        dataset = prepare(model, data)
    return learn(model, dataset, chosen, scope, device, known, "refine", keep)


def _require_pretrained(model: FAVAE, pretrained: Mapping[str, Any]) -> None:
    if not isinstance(pretrained, Mapping):
        raise SpecError(
            f"fit: pretrained is {shown(pretrained)}, expected a mapping of view names to networks"
        )
    for name, networks in pretrained.items():
        if name not in encoder_views(model) or not isinstance(networks, Pretrained):
            raise SpecError(
                f"fit: pretrained[{shown(name)}] is a {type(networks).__name__}, expected networks from fv.pretrain, "
                f"fv.load_pretrained or fit.pretrained for one of the views {encoder_views(model)}"
            )
