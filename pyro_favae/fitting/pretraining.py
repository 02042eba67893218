"""Training a view alone, before it is plugged into a model."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import torch

from pyro_favae.data import prepare
from pyro_favae.data.ahead import reading
from pyro_favae.errors import SpecError, shown
from pyro_favae.fitting.checkpoint import Checkpoint
from pyro_favae.fitting.learning import introduce, seed_of, seeded
from pyro_favae.inference.alone import PlainTraining
from pyro_favae.inference.history import Callback
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.models.views import DecoderView
from pyro_favae.results.pretrained import NAME, Pretrained, one_view_guide


def pretrain(
    view: DecoderView,
    data: Any,
    *,
    epochs: int = 50,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
    seed: int | None = None,
    device: str | torch.device = "auto",
    precision: Literal["full", "bfloat16"] = "full",
    compile: bool = False,
    workers: int = 0,
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike | None = None,
    every: int | str = "5min",
    resume: bool | str | os.PathLike = False,
) -> Pretrained:
    """Train an encoder view by itself, as a plain VAE with z ~ N(0, I).

    data: rows (rows, *event) as :func:`fit` takes them; rows that lack the view are left out. epochs: passes over
    the data; with 0 the networks stay as they are, which is how modules that were trained elsewhere and registered by
    ``fv.networks.register`` become something to plug in: their latents keep the scale they have. callbacks: called
    with the record of each pass; returning True ends the training. Ctrl-C ends it too and returns what was learnt.
    precision, compile, workers, checkpoint, every, resume: as for :func:`fit`.

    Raises :class:`SpecError` for a view without networks, :class:`DataError` for data it cannot hold,
    :class:`NumericalError` if the networks diverge.
    """
    if not isinstance(view, DecoderView):
        raise SpecError(
            f"pretrain: {shown(view)} has no networks to train, expected a view such as fv.views.Image(...)"
        )
    keep = Checkpoint.asked_for(checkpoint, every, resume)
    train = not (type(epochs) is int and epochs == 0)
    settings = Settings(
        epochs=epochs if train else 1,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed_of(seed, keep),
        progress=progress,
        callbacks=callbacks,
        precision=precision,
        compile=compile,
        workers=workers,
    )
    with seeded(settings.seed, device) as place, reading(settings.workers):
        guide = one_view_guide(view)
        guide.model.to(place)
        guide.to(place)
        dataset = prepare(guide.declaration, {NAME: data})
        guide.model.n_rows = len(dataset)
        if keep is not None:
            scope = Scope.afresh([NAME], [NAME])
            introduce(keep, "pretrain", guide.declaration, dataset, settings, scope)
        training = PlainTraining(guide, NAME, dataset, settings, keep)
        training.read_units()
        if keep is not None:
            keep.restore(training.load_state_dict)
        if train:
            training()
        else:
            training.keep_scale()
    return Pretrained(guide.eval(), training.history)
