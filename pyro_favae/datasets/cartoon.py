"""The Cartoon Set: avatars drawn from attributes, from local files."""

import csv
import lzma
import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pyro_favae.datasets.attributed import AttributedImages
from pyro_favae.datasets.image_files import decode_files, square
from pyro_favae.errors import DataError

PAGE = "https://google.github.io/cartoonset/download.html"
PACKED = ("images_64x64.npy.xz", "attributes.npz")
FOLDERS = ("", "cartoonset", "cartoonset10k", "cartoonset100k")


def load_cartoons(
    root: str | os.PathLike,
    *,
    size: int = 64,
    crop: float = 1.0,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> AttributedImages:
    """Return avatars on white and their attributes.

    Args:
        root: the folder that holds `cs*.png` and `cs*.csv`, in itself or in subfolders, or the one above it, named
            `cartoonset10k` or `cartoonset100k`. Or a folder of the packed form, `images_64x64.npy.xz`, bytes
            (n, 64, 64, 3), and `attributes.npz`, one array of n a column, or the one above it, named `cartoonset`.
            Nothing is downloaded.
        size: avatars are resized to size × size.
        crop: side of the central square that is kept, as a share of the picture's; at 0.8 most hair is still whole.
        cache: a file `.npy` to decode pictures into once and map from then on, for sets that do not fit in memory;
            the packed form has no use for it.
        progress: show a bar.

    Returns:
        images (n, 3, size, size) uint8; attributes, by name: the index of the variant that was drawn. Of the packed
        form, those of its columns that have a value for each avatar; ``hair_color_name`` where its palette has names.

    Raises:
        DataError: files are not there or not what they should be.
    """
    folders = [Path(root) / name for name in FOLDERS]
    for folder in folders:
        if all((folder / name).is_file() for name in PACKED):
            return _packed(folder, size, crop)
        paths = sorted(folder.glob("cs*.png")) or sorted(folder.glob("*/cs*.png"))
        if paths:
            images = decode_files(paths, size, crop=crop, cache=cache, progress=progress)
            return AttributedImages(images, _attributes([path.with_suffix(".csv") for path in paths]))
    raise DataError(
        f"no Cartoon Set in {root}, nor in its folders {', '.join(FOLDERS[1:])}: expected pictures cs*.png, each "
        f"with its cs*.csv. Download cartoonset10k.tgz or cartoonset100k.tgz from the project's page, {PAGE}, and "
        "unpack it."
    )


def _attributes(paths: list[Path]) -> pd.DataFrame:
    """One row a file, whose lines are attribute, index of the variant and number of variants."""
    rows = []
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as lines:
                rows.append(
                    {name: int(variant) for name, variant, _ in csv.reader(lines, skipinitialspace=True)}
                )
        except (FileNotFoundError, ValueError) as error:
            raise DataError(f'{path}: expected lines such as "face_shape", 4, 7 ({error})') from error
    table = pd.DataFrame(rows, index=pd.Index([path.stem for path in paths], name="file"))
    incomplete = table.index[table.isna().any(axis=1)]
    if len(incomplete):
        raise DataError(
            f"{len(incomplete)} avatars lack an attribute that others have, {incomplete[0]} for example"
        )
    return table


def _packed(folder: Path, size: int, crop: float) -> AttributedImages:
    with lzma.open(folder / PACKED[0]) as file:
        images = np.load(file)
    with np.load(folder / PACKED[1]) as file:
        columns = dict(file)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3:
        raise DataError(
            f"{folder / PACKED[0]} holds {images.dtype} of shape {images.shape}, expected bytes (n, 64, 64, 3)"
        )
    table = pd.DataFrame(
        {name: values for name, values in columns.items() if values.shape == images.shape[:1]}
    )
    if "hair_color_names" in columns and "derived_hair_color" in table:
        names = dict(enumerate(columns["hair_color_names"]))
        table["hair_color_name"] = table["derived_hair_color"].map(names)
    if images.shape[1:3] == (size, size) and crop == 1:
        return AttributedImages(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), table)
    return AttributedImages(np.stack([square(Image.fromarray(image), size, crop) for image in images]), table)
