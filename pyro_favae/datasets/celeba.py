"""CelebA: aligned faces of celebrities and forty binary attributes, from local files."""

import os
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from pyro_favae.datasets.attributed import AttributedImages
from pyro_favae.datasets.image_files import decode_files
from pyro_favae.errors import DataError

Part = Literal["train", "valid", "test"]
PAGE = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"


def load_celeba(
    root: str | os.PathLike,
    *,
    size: int = 64,
    crop: float = 1.0,
    part: Part | None = None,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> AttributedImages:
    """Return the aligned faces and their attributes, in the order of the list of attributes.

    Args:
        root: the folder that holds `img_align_celeba/*.jpg` and `list_attr_celeba.txt`, or the one above it, named
            `celeba`. Nothing is downloaded.
        size: faces are resized to size × size.
        crop: side of the central square that is kept, as a share of the picture's width: 1 keeps the hair, 0.83 (148
            of 178 pixels) is a common closer crop.
        part: of the official partition, which needs `list_eval_partition.txt`; all faces when None.
        cache: a file `.npy` to decode into once and map from then on, for sets that do not fit in memory.
        progress: show a bar.

    Returns:
        images (n, 3, size, size) uint8; attributes (n, 40) of 0 and 1, named as in the list, indexed by file names.

    Raises:
        DataError: files are not there or not what they should be.
    """
    folder = _folder(Path(root))
    attributes = _table(folder / "list_attr_celeba.txt", header=1)
    if not attributes.isin([-1, 1]).to_numpy().all():
        raise DataError(f"{folder / 'list_attr_celeba.txt'}: expected attributes of -1 and 1 only")
    if part is not None:
        attributes = attributes[_in_part(folder, attributes, part)]
    paths = [folder / "img_align_celeba" / name for name in attributes.index]
    images = decode_files(paths, size, crop=crop, cache=cache, progress=progress)
    return AttributedImages(images, (attributes + 1) // 2)


def _folder(root: Path) -> Path:
    for folder in (root, root / "celeba"):
        if (folder / "list_attr_celeba.txt").is_file() and (folder / "img_align_celeba").is_dir():
            return folder
    raise DataError(
        f"no CelebA in {root} or {root / 'celeba'}: expected the folder img_align_celeba/ of *.jpg and the file "
        f"list_attr_celeba.txt. Download both from the project's page, {PAGE}, agree to its terms (research only, "
        "no redistribution), and unpack img_align_celeba.zip beside the list."
    )


def _table(path: Path, header: int | None) -> pd.DataFrame:
    """A file of names and integers separated by spaces, whose header, if any, lacks a name for the first column."""
    try:
        with path.open(encoding="utf-8") as lines:
            names = (
                [next(lines) for _ in range(header + 1)][header].split() if header is not None else ["part"]
            )
            table = pd.read_csv(lines, sep=r"\s+", header=None, index_col=0, names=["file", *names])
        return table.astype("int8")
    except (StopIteration, ValueError, TypeError) as error:
        raise DataError(f"{path}: expected a file name and integers in each line: {error}") from error


def _in_part(folder: Path, attributes: pd.DataFrame, part: str) -> pd.Series:
    if part not in get_args(Part):
        raise DataError(f"part is {part!r}, expected one of {', '.join(map(repr, get_args(Part)))} or None")
    path = folder / "list_eval_partition.txt"
    if not path.is_file():
        raise DataError(f"part={part!r} needs {path}, which the project's page, {PAGE}, offers for download")
    parts = _table(path, header=None)["part"].reindex(attributes.index)
    return parts == get_args(Part).index(part)
