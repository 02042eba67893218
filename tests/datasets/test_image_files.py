import numpy as np
import pytest
from PIL import Image

from pyro_favae.datasets.image_files import decode_files, square
from pyro_favae.errors import DataError


def save(path, pixels, mode="RGB"):
    Image.fromarray(np.asarray(pixels, np.uint8), mode=None).convert(mode).save(path)
    return path


def test_the_central_square_is_kept_and_resized():
    pixels = np.zeros((6, 4, 3), np.uint8)
    pixels[1:5] = 200  # the central square of a picture 4 wide and 6 high
    pixels[2:4, 1:3] = 90
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 4), pixels[1:5].transpose(2, 0, 1))
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 2, crop=0.5), np.full((3, 2, 2), 90))


def test_transparency_becomes_white():
    pixels = np.zeros((4, 4, 4), np.uint8)  # black, wholly transparent
    pixels[:2, :, 3] = 255
    drawn = square(Image.fromarray(pixels), 4)
    assert drawn.shape == (3, 4, 4)
    np.testing.assert_array_equal(drawn[:, :2], 0)
    np.testing.assert_array_equal(drawn[:, 2:], 255)


def test_grey_pictures_have_three_channels(tmp_path):
    path = save(tmp_path / "grey.png", np.full((5, 5), 77), "L")
    np.testing.assert_array_equal(decode_files([path], 3, progress=False), np.full((1, 3, 3, 3), 77))


def test_a_cache_is_written_once_and_mapped(tmp_path, rng):
    paths = [save(tmp_path / f"{k}.png", rng.integers(0, 256, (8, 8, 3))) for k in range(3)]
    cache = tmp_path / "cache.npy"
    images = decode_files(paths, 4, cache=cache, progress=False)
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, decode_files(paths, 4, progress=False))
    for path in paths:
        path.unlink()
    np.testing.assert_array_equal(decode_files(paths, 4, cache=cache, progress=False), images)


def test_an_interrupted_cache_is_not_taken_for_a_whole_one(tmp_path):
    cache = tmp_path / "cache.npy"
    with pytest.raises(DataError, match="expected a picture"):
        decode_files([tmp_path / "absent.png"], 4, cache=cache, progress=False)
    assert not cache.exists()


def test_a_cache_of_something_else_is_refused(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((8, 8, 3)))
    decode_files([path], 4, cache=tmp_path / "cache.npy", progress=False)
    with pytest.raises(DataError, match="delete it"):
        decode_files([path], 5, cache=tmp_path / "cache.npy", progress=False)


def test_what_is_no_picture_is_named(tmp_path):
    path = tmp_path / "page.jpg"
    path.write_text("<html>")
    with pytest.raises(DataError, match="page.jpg: expected a picture"):
        decode_files([path], 4, progress=False)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": 4, "crop": 0.0}, {"size": 4, "crop": 1.5}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(DataError, match="expected a size of 1 or more and a crop"):
        decode_files([], progress=False, **wrong)
