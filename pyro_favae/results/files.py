"""Saved fits: one safetensors file, the declaration and history as JSON in its header. Nothing is pickled."""

import io
import os
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pyro_favae.errors import FavaeError, LoadError, SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.favae import FAVAE, FAVAEModel

FORMAT, VERSION = "pyro_favae.fit", "1"


def write(path: str | os.PathLike, guide: FAVAEGuide, history: pd.DataFrame, ended_by: str) -> None:
    """Write a fit; an existing file is replaced only once the new one is complete."""
    tensors = {f"model.{key}": value for key, value in guide.model.state_dict().items()}
    tensors |= {f"guide.{key}": value for key, value in guide.state_dict().items()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "declaration": to_json(guide.declaration),
        "n_rows": str(guide.model.n_rows),
        "history": history.to_json(orient="table", double_precision=15),
        "ended_by": ended_by,
    }
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, partial, header)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | os.PathLike, device: torch.device) -> tuple[FAVAEGuide, pd.DataFrame, str]:
    """Read what :func:`write` wrote; raises :class:`LoadError` for anything else."""
    if not Path(path).is_file():
        raise LoadError(f"no file {str(path)!r}")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise LoadError(f"{str(path)!r} is not a saved fit, or is truncated: {error}") from error
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        seen = f"{header.get('format')!r} version {header.get('version')!r}"
        raise LoadError(f"{str(path)!r} holds {seen}, expected {FORMAT!r} version {VERSION!r}")
    try:
        declaration = from_json(header["declaration"])
        if not isinstance(declaration, FAVAE):
            raise LoadError(f"{str(path)!r} declares a {type(declaration).__name__}, expected a FAVAE")
        guide = _rebuilt(declaration, int(header["n_rows"]), tensors, device)
        history = pd.read_json(io.StringIO(header["history"]), orient="table", precise_float=True)
        return guide, history, header["ended_by"]
    except LoadError:
        raise
    except SpecError as error:
        raise LoadError(f"{str(path)!r} declares what cannot be built here: {error}") from error
    except (FavaeError, KeyError, ValueError, RuntimeError) as error:
        raise LoadError(f"{str(path)!r} does not hold a consistent fit: {error}") from error


def _rebuilt(
    declaration: FAVAE, n_rows: int, tensors: dict[str, torch.Tensor], device: torch.device
) -> FAVAEGuide:
    model = FAVAEModel(declaration, n_rows)
    guide = FAVAEGuide(model)
    parts = {"model.": model, "guide.": guide}
    strangers = [key for key in tensors if not key.startswith(tuple(parts))]
    if strangers:
        raise LoadError(f"unexpected tensors {strangers}")
    for prefix, module in parts.items():
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        expected = module.state_dict()
        for key, value in state.items():
            if key in expected and value.dtype != expected[key].dtype:
                raise LoadError(f"tensor {key!r} is {value.dtype}, expected {expected[key].dtype}")
        module.load_state_dict(state, strict=True)
        module.to(device).eval()
    return guide
