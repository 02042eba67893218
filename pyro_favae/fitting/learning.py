"""What every way of fitting shares: a declaration, aligned data and a scope go in, a fit comes out."""

from collections.abc import Callable, Collection, Iterator, Sequence, Set
from contextlib import contextmanager
from typing import Any

import torch

from pyro_favae.data import Dataset
from pyro_favae.data.ahead import reading
from pyro_favae.errors import SpecError, shown
from pyro_favae.fitting import fingerprint
from pyro_favae.fitting.checkpoint import Checkpoint
from pyro_favae.inference.device import device_for
from pyro_favae.inference.fit import Run
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.processes import Processes
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.models.declaration import require_count, to_json
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.views import DecoderView
from pyro_favae.results.fit import Fit
from pyro_favae.results.predictive import drawn_seed


def pyro_pair(model: FAVAE, n_rows: int = 1) -> tuple[FAVAEModel, FAVAEGuide]:
    """Return the untrained Pyro (model, guide) of a declaration, for a data set of ``n_rows`` rows.

    Raises :class:`SpecError` for what is no declaration and no number of rows.
    """
    if not isinstance(model, FAVAE):
        raise SpecError(f"pyro_pair: model is a {type(model).__name__}, expected a declaration fv.FAVAE(...)")
    require_count("pyro_pair", n_rows=n_rows)
    favae_model = FAVAEModel(model, n_rows)
    return favae_model, FAVAEGuide(favae_model)


def learn(
    model: FAVAE,
    dataset: Dataset,
    settings: Settings,
    scope: Scope,
    device: str | torch.device,
    known: Callable[[FAVAEGuide], None],
    task: str,
    checkpoint: Checkpoint | None,
) -> Fit:
    """Run the loop on a fresh guide, or go on with a checkpoint's.

    known: puts into the guide what the scope calls known. task: what a checkpoint says it is of.
    """
    if checkpoint is not None:
        introduce(checkpoint, task, model, dataset, settings, scope)
    with seeded(settings.seed, device) as place, reading(settings.workers):
        favae_model, guide = pyro_pair(model, len(dataset))
        known(guide)
        favae_model.to(place)
        guide.to(place)
        run = Run(guide, dataset, settings, scope, checkpoint)
        if checkpoint is not None:
            checkpoint.restore(run.load_state_dict)
        outcome = run()
    return Fit(guide, outcome.history, outcome.ended_by)


@contextmanager
def seeded(seed: int, device: str | torch.device) -> Iterator[torch.device]:
    """Torch's generators at a seed, and afterwards as they were; gives the device that is meant."""
    place = device_for(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        yield place


def seed_of(seed: int | None, checkpoint: Checkpoint | None) -> int:
    """A seed as given, or the one of the run to be continued, or a new one; the same in all processes."""
    if seed is None and checkpoint is not None:
        seed = checkpoint.seed
    return Processes.present().first(drawn_seed(seed))


def introduce(
    checkpoint: Checkpoint, task: str, model: FAVAE, dataset: Dataset, settings: Settings, scope: Scope
) -> None:
    """Tell a checkpoint what it is of; raises an error where it is to go on with another run."""
    checkpoint.known_as(
        task=task,
        declaration=to_json(model),
        settings=fingerprint.of_settings(settings),
        scope=fingerprint.of_scope(scope),
        data=fingerprint.of_data(dataset),
    )


def require_fit(owner: str, fitted: Any) -> None:
    """Raise :class:`SpecError` unless this is a fit."""
    if not isinstance(fitted, Fit):
        raise SpecError(
            f"{owner}: fitted is a {type(fitted).__name__}, expected the fv.Fit that fv.fit returns"
        )


def copy_views(source: FAVAEGuide, target: FAVAEGuide, names: Collection[str]) -> None:
    """Copy what was learnt of some views, and of the factors' prior, from one guide to another."""
    for name in names:
        target.posterior.view(name).load_state_dict(source.posterior.view(name).state_dict())
        target.inference(name).load_state_dict(source.inference(name).state_dict())
        target.model.emission(name).load_state_dict(source.model.emission(name).state_dict())
    target.posterior.factors.load_state_dict(source.posterior.factors.state_dict())


def encoder_views(model: FAVAE) -> list[str]:
    """The views with networks."""
    return [name for name, view in model.views.items() if isinstance(view, DecoderView)]


def trained_views(model: FAVAE, train: Collection[str] | None, default: Collection[str]) -> frozenset[str]:
    """The views whose networks take gradient steps; raises :class:`SpecError` for one without networks."""
    if train is None:
        return frozenset(default)
    known = encoder_views(model)
    is_list = isinstance(train, Sequence | Set) and not isinstance(train, str)
    if not is_list or not all(isinstance(name, str) and name in known for name in train):
        raise SpecError(
            f"train is {shown(train)}, expected a list of names among the views with networks, {known}"
        )
    return frozenset(train)
