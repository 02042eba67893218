"""Saved fits: the model's and the guide's state, the declaration and the history."""

import os
from typing import cast

import pandas as pd
import torch

from pyro_favae.errors import LoadError, SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.models.declaration import from_json, require_count, to_json
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.results.integrity import require_room
from pyro_favae.results.storage import BROKEN, read_history, read_tensors, restore, write_modules

FORMAT = "pyro_favae.fit"


def write(path: str | os.PathLike, guide: FAVAEGuide, history: pd.DataFrame, ended_by: str) -> None:
    """Write a fit; an existing file is replaced only once the new one is complete."""
    header = {
        "declaration": to_json(guide.declaration),
        "n_rows": str(guide.model.n_rows),
        "history": history.to_json(orient="table", double_precision=15),
        "ended_by": ended_by,
    }
    write_modules(path, FORMAT, {"model": guide.model, "guide": guide}, header)


def read(path: str | os.PathLike, device: torch.device) -> tuple[FAVAEGuide, pd.DataFrame, str]:
    """Read what :func:`write` wrote; raises :class:`LoadError` for anything else."""
    header, tensors = read_tensors(path, FORMAT)
    try:
        declaration = from_json(header["declaration"])
        if not isinstance(declaration, FAVAE):
            raise LoadError(f"{str(path)!r} declares a {type(declaration).__name__}, expected a FAVAE")
        n_rows = int(header["n_rows"])
        require_count("n_rows", n_rows=n_rows)
        require_room(lambda: _modules(declaration, n_rows), tensors)
        modules = _modules(declaration, n_rows)
        restore(modules, tensors, device)
        history = read_history(header["history"])
        return cast(FAVAEGuide, modules["guide"]), history, header["ended_by"]
    except LoadError:
        raise
    except SpecError as error:
        raise LoadError(f"{str(path)!r} declares what cannot be built here: {error}") from error
    except BROKEN as error:
        raise LoadError(f"{str(path)!r} does not hold a consistent fit: {error}") from error


def _modules(declaration: FAVAE, n_rows: int) -> dict[str, FAVAEModel | FAVAEGuide]:
    model = FAVAEModel(declaration, n_rows)
    return {"model": model, "guide": FAVAEGuide(model)}
