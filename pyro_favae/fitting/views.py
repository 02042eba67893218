"""A fit with one view more, or one less."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import torch

from pyro_favae.data import prepare, require_view
from pyro_favae.data.ahead import reading
from pyro_favae.errors import SpecError, shown
from pyro_favae.fitting.checkpoint import Checkpoint
from pyro_favae.fitting.learning import (
    copy_views,
    encoder_views,
    learn,
    pyro_pair,
    require_fit,
    seed_of,
)
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.models.declaration import require_flag, require_name
from pyro_favae.models.views import View
from pyro_favae.results.fit import Fit
from pyro_favae.results.pretrained import Pretrained


def add_view(
    fitted: Fit,
    name: str,
    view: View,
    data: Mapping[str, Any],
    *,
    refine: bool = False,
    pretrained: Pretrained | None = None,
    seed: int | None = None,
    device: str | torch.device = "auto",
    checkpoint: str | os.PathLike | None = None,
    every: int | str = "5min",
    resume: bool | str | os.PathLike = False,
    **settings: Any,
) -> Fit:
    """Return a fit with one view more.

    data: of all views, by name. refine: learn everything further from there; otherwise what was learnt stays, to the
    last bit, and only the new view is fitted to it. pretrained: networks of the new view, left as they are.
    checkpoint, every, resume, settings: those of :func:`fit`. Raises :class:`SpecError` if there is such a view.
    """
    require_fit("add_view", fitted)
    old = fitted.declaration
    require_name("add_view", name=name)
    require_flag("add_view", refine=refine)
    if pretrained is not None and not isinstance(pretrained, Pretrained):
        raise SpecError(f"add_view: pretrained is {shown(pretrained)}, expected networks from fv.pretrain")
    if name in old.views:
        raise SpecError(
            f"add_view: there is a view {name!r} already; remove it first, or choose another name"
        )
    model = replace(old, views={**old.views, name: view})
    new, everything = frozenset([name]), frozenset(model.views)
    networks = frozenset(encoder_views(model))
    scope = Scope(
        trained=(networks if refine else networks & new) - (new if pretrained else frozenset()),
        unknown=frozenset() if pretrained else networks & new,
        learnt=everything if refine else new,
        fresh=new,
    )

    def known(guide: FAVAEGuide) -> None:
        copy_views(fitted.guide, guide, old.views)
        if pretrained is not None:
            pretrained.plug_into(guide, name)

    keep = Checkpoint.asked_for(checkpoint, every, resume)
    chosen = Settings(seed=seed_of(seed, keep), **settings)
    with reading(chosen.workers):
        dataset = prepare(model, data)
    return learn(model, dataset, chosen, scope, device, known, "add_view", keep)


def remove_view(fitted: Fit, name: str) -> Fit:
    """Return a fit without a view, all else as it was learnt; its history is empty, because no bound belongs to it.

    Raises :class:`SpecError` for the last view.
    """
    require_fit("remove_view", fitted)
    old = fitted.declaration
    require_view(old, name)
    if len(old.views) == 1:
        raise SpecError(f"remove_view: {name!r} is the only view, expected another one to remain")
    model = replace(old, views={other: view for other, view in old.views.items() if other != name})
    favae_model, guide = pyro_pair(model, fitted.model.n_rows)
    copy_views(fitted.guide, guide, model.views)
    favae_model.to(fitted.guide.device).eval()
    guide.to(fitted.guide.device).eval()
    return Fit(guide, pd.DataFrame(columns=["stage", "elbo"]), f"removal of {name!r}")
