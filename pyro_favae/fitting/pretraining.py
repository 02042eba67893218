"""Training a view alone, before it is plugged into a model."""

from collections.abc import Sequence
from typing import Any

import torch

from pyro_favae.data import prepare
from pyro_favae.errors import SpecError, shown
from pyro_favae.fitting.learning import device_for
from pyro_favae.inference.alone import PlainTraining
from pyro_favae.inference.history import Callback
from pyro_favae.inference.settings import Settings
from pyro_favae.models.views import DecoderView
from pyro_favae.results.predictive import drawn_seed
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
    progress: bool = True,
    callbacks: Sequence[Callback] = (),
) -> Pretrained:
    """Train an encoder view by itself, as a plain VAE with z ~ N(0, I).

    data: rows (rows, *event) as :func:`fit` takes them; rows that lack the view are left out. epochs: passes over
    the data; with 0 the networks stay as they are, which is how modules that were trained elsewhere and registered by
    ``fv.networks.register`` become something to plug in: their latents keep the scale they have. callbacks: called
    with the record of each pass; returning True ends the training. Ctrl-C ends it too and returns what was learnt.

    Raises :class:`SpecError` for a view without networks, :class:`DataError` for data it cannot hold,
    :class:`NumericalError` if the networks diverge.
    """
    if not isinstance(view, DecoderView):
        raise SpecError(
            f"pretrain: {shown(view)} has no networks to train, expected a view such as fv.views.Image(...)"
        )
    train = not (type(epochs) is int and epochs == 0)
    settings = Settings(
        epochs=epochs if train else 1,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=drawn_seed(seed),
        progress=progress,
        callbacks=callbacks,
    )
    place = device_for(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        guide = one_view_guide(view)
        guide.model.to(place)
        guide.to(place)
        dataset = prepare(guide.declaration, {NAME: data})
        training = PlainTraining(guide, NAME, dataset, batch_size, settings.seed)
        training.read_units()
        if train:
            training(epochs, learning_rate, progress, callbacks)
        else:
            training.keep_scale()
    return Pretrained(guide.eval(), training.history)
