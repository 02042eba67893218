"""Trained modules in one safetensors file, what belongs to them as text in its header. Nothing is pickled."""

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pyro_favae.errors import FavaeError, LoadError, SaveError, shown
from pyro_favae.results.integrity import DIGEST, digest, require_intact

VERSION = "2"  # 1 had no digest
READERS = {
    "pyro_favae.fit": "fv.load",
    "pyro_favae.pretrained": "fv.load_pretrained",
    "pyro_favae.checkpoint": "fv.fit(..., resume=path)",
}

#: what reading a header of another making may raise
BROKEN = (FavaeError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def write_modules(
    path: str | os.PathLike, format_: str, modules: Mapping[str, nn.Module], header: Mapping[str, str]
) -> None:
    """Write the state of modules; an existing file is replaced only once the new one is complete."""
    tensors = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    write_tensors(path, format_, tensors, header)


def write_tensors(
    path: str | os.PathLike, format_: str, tensors: Mapping[str, Tensor], header: Mapping[str, str]
) -> None:
    """Write tensors; an existing file is replaced only once the new one is complete and on the disk.

    Raises :class:`SaveError` if that fails; what was there before is still there then.
    """
    header = {"format": format_, "version": VERSION, **header}
    header[DIGEST] = digest(header, tensors)
    target = Path(path)
    partial = target.with_name(target.name + ".partial")
    try:
        save_file(dict(tensors), partial, header)
        _flush(partial)
        os.replace(partial, target)
        _flush(target.parent)
    except (SafetensorError, OSError) as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        left = "what was there before is as it was" if target.exists() else "no such file was made"
        raise SaveError(f"{str(path)!r} could not be written, {left}: {error}") from error


def _flush(path: Path) -> None:
    """Have the system write to the disk what it holds of a file, or of a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_tensors(path: str | os.PathLike, format_: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a file; raises :class:`LoadError` if it is not one of this format, or not intact."""
    if not isinstance(path, str | os.PathLike) or not os.path.isfile(path):
        raise LoadError(f"no file {shown(path)}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise LoadError(f"{str(path)!r} is not a saved fit, or is truncated: {error}") from error
    if header.get("format") != format_ or header.get("version") != VERSION:
        seen = f"{header.get('format')!r} version {header.get('version')!r}"
        other = header.get("format") != format_
        reader = READERS.get(header.get("format", "")) if other else "the release that wrote a file"
        hint = f"; {reader} reads it" if reader else ""
        raise LoadError(f"{str(path)!r} holds {seen}, expected {format_!r} version {VERSION!r}{hint}")
    require_intact(str(path), header, tensors)
    return header, tensors


def read_history(text: str) -> pd.DataFrame:
    """The table of a history from its JSON."""
    history = pd.read_json(io.StringIO(text), orient="table", precise_float=True)
    if not isinstance(history, pd.DataFrame):
        raise LoadError(f"the history is a {type(history).__name__}, expected a table")
    return history


def restore(modules: Mapping[str, nn.Module], tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Put tensors back where :func:`write_modules` found them, for use on a device.

    Raises :class:`LoadError` for tensors of other names or types.
    """
    prefixes = {f"{name}.": module for name, module in modules.items()}
    strangers = [key for key in tensors if not key.startswith(tuple(prefixes))]
    if strangers:
        raise LoadError(f"unexpected tensors {strangers}")
    for prefix, module in prefixes.items():
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        expected = module.state_dict()
        for key, value in state.items():
            if key in expected and value.dtype != expected[key].dtype:
                raise LoadError(f"tensor {key!r} is {value.dtype}, expected {expected[key].dtype}")
        module.load_state_dict(state, strict=True)
        module.to(device).eval()
