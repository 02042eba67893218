"""A fit from files to a file, in one process or in several."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.distributed as dist

from pyro_favae.errors import DataError, SpecError
from pyro_favae.fitting.fits import fit
from pyro_favae.inference.processes import Processes
from pyro_favae.models.declaration import from_json
from pyro_favae.models.favae import FAVAE


def fit_files(model: Path, data: Path, out: Path, *, timeout: float = 600.0, **options: Any) -> str:
    """Fit a declaration in JSON to data in files and save the fit; returns what to tell the user.

    data: see :func:`read_data`. timeout: seconds after which processes that torchrun started give one another up.
    options: those of :func:`fit`. Returns nothing in all processes but the first.
    """
    with process_group(timeout):
        declaration = read_model(model)
        fitted = fit(declaration, read_data(data, declaration), **options)
        if Processes.present().rank:
            return ""
        out.parent.mkdir(parents=True, exist_ok=True)
        fitted.save(out)
        return f"{fitted!r}\nsaved to {out}"


@contextmanager
def process_group(timeout: float) -> Iterator[None]:
    """Torch's process group where torchrun started several processes; NCCL where each has a GPU, else gloo."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    gpus = torch.cuda.is_available() and torch.cuda.device_count() >= local
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if gpus else "gloo", timeout=timedelta(seconds=timeout))
    try:
        yield
    finally:
        dist.destroy_process_group()


def read_model(path: Path) -> FAVAE:
    """A declaration as ``fv.to_json`` writes it; raises :class:`SpecError` for anything else."""
    try:
        declaration = from_json(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SpecError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(declaration, FAVAE):
        raise SpecError(f"{str(path)!r} declares a {type(declaration).__name__}, expected a FAVAE")
    return declaration


def read_data(path: Path, model: FAVAE) -> Mapping[str, Any]:
    """Data by view, from an ``.npz`` of arrays with the views' names; from a folder; or from a ``.csv`` of one view.

    A folder has ``VIEW.npy``, which is streamed from the disk, or ``VIEW.csv`` for each view. The first column of a
    table names its rows, by which tables are aligned. Raises :class:`DataError` for what is not there or not such a
    file.
    """
    names = [*model.views, *([model.factors.column] if model.factors.column else [])]
    if path.is_dir():
        return {name: _read_one(path, name) for name in names}
    if path.suffix == ".csv" and len(names) == 1:
        return {names[0]: _table(path)}
    if path.suffix != ".npz":
        raise DataError(
            f"data {str(path)!r} is neither an .npz nor a folder, nor a .csv for a model of one view; views: {names}"
        )
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise DataError(f"data {str(path)!r} cannot be read: {error}") from error


def _read_one(folder: Path, name: str) -> Any:
    array, table = folder / f"{name}.npy", folder / f"{name}.csv"
    if table.is_file():
        return _table(table)
    try:
        return np.load(array, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"view {name!r}: expected {array.name} or {table.name} in {str(folder)!r}: {error}"
        ) from error


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, index_col=0)
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} is not a table with a header: {error}") from error
