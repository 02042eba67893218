"""Pictures in files, decoded one at a time into one array of bytes."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from pyro_favae.errors import DataError


def decode_files(
    paths: Sequence[Path],
    size: int,
    *,
    crop: float = 1.0,
    cache: str | os.PathLike | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Return the central squares of pictures, (n, 3, size, size) uint8.

    crop: side of the square as a share of the picture's shorter side. What is transparent becomes white. cache: a
    file `.npy` to decode into, so that the pictures need not fit in memory; one that is there is mapped as it is.
    Raises :class:`DataError` for a file that is no picture, a cache of another shape or an impossible size.
    """
    if size < 1 or not 0 < crop <= 1:
        raise DataError(f"size {size} and crop {crop}: expected a size of 1 or more and a crop in (0, 1]")
    shape = (len(paths), 3, size, size)
    if cache is not None and Path(cache).exists():
        return _cached(Path(cache), shape)
    if cache is None:
        return _decode_into(np.empty(shape, np.uint8), paths, crop, progress)
    unfinished = Path(f"{cache}.unfinished")
    _decode_into(open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape), paths, crop, progress)
    unfinished.replace(cache)
    return _cached(Path(cache), shape)


def _cached(cache: Path, shape: tuple[int, ...]) -> np.memmap:
    images = np.load(cache, mmap_mode="r")
    if images.shape != shape or images.dtype != np.uint8:
        raise DataError(
            f"{cache} holds {images.dtype} of shape {images.shape}, expected uint8 of shape {shape}: it was made of "
            "other files or with another size; delete it, or name another cache"
        )
    return images


def _decode_into(images: np.ndarray, paths: Sequence[Path], crop: float, progress: bool) -> np.ndarray:
    for row, path in enumerate(tqdm(paths, disable=not progress, desc="decoding", unit="image")):
        try:
            with Image.open(path) as picture:
                images[row] = square(picture, images.shape[-1], crop)
        except (UnidentifiedImageError, FileNotFoundError) as error:
            raise DataError(
                f"{path}: expected a picture ({error}); is the download complete and unpacked?"
            ) from error
    return images


def square(picture: Image.Image, size: int, crop: float = 1.0) -> np.ndarray:
    """Return the central square of a picture on white, (3, size, size) uint8."""
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    width, height = picture.size
    side = crop * min(width, height)
    box = ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)
    resized = picture.convert("RGB").resize((size, size), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized).transpose(2, 0, 1)
