"""What a run is known by: a run that is continued must be the same run on the same data."""

import hashlib
from typing import Any

import torch

from pyro_favae.data.dataset import Dataset, ViewData
from pyro_favae.inference.settings import Scope, Settings

SAMPLED_ROWS = 64  # of a view, whose values are compared


def of_data(dataset: Dataset) -> dict[str, Any]:
    """Rows, shapes, how many rows have each view, and a digest of some evenly spaced rows."""
    views = {
        name: {
            "shape": list(view.source.shape),
            "present": int(view.present.sum()),
            "values": _digest(view),
        }
        for name, view in dataset.views.items()
    }
    return {"rows": len(dataset), "views": views}


def of_settings(settings: Settings) -> dict[str, Any]:
    """Those that change what is learnt."""
    names = (
        "epochs",
        "tolerance",
        "batch_size",
        "learning_rate",
        "schedule",
        "seed",
        "start",
        "precision",
        "compile",
    )
    return {name: getattr(settings, name) for name in names}


def of_scope(scope: Scope) -> dict[str, list[str]]:
    """The names of views in each part of a scope."""
    return {part: sorted(names) for part, names in vars(scope).items()}


def _digest(view: ViewData) -> str:
    count = len(view.source)
    rows = torch.linspace(0, count - 1, min(count, SAMPLED_ROWS), dtype=torch.float64).long()
    rows = rows[view.present[rows]]
    first, again = (view.source.take(rows).contiguous().numpy().tobytes() for _ in range(2))
    if first != again:
        return "differ in each reading"  # items of a torch dataset with random transforms
    return hashlib.blake2b(first, digest_size=16).hexdigest()
