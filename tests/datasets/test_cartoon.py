import lzma

import numpy as np
import pytest
from PIL import Image

from pyro_favae.datasets import load_cartoons
from pyro_favae.errors import DataError


def write_avatar(folder, name, shade, **variants):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((20, 20, 4), np.uint8)  # transparent around a square
    pixels[5:15, 5:15] = (shade, shade, shade, 255)
    Image.fromarray(pixels).save(folder / f"{name}.png")
    lines = [f'"{attribute}", {variant}, 15' for attribute, variant in variants.items()]
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def official(tmp_path):
    folder = tmp_path / "cartoonset10k"
    write_avatar(folder, "cs2", 200, glasses=11, hair_color=3)
    write_avatar(folder, "cs1", 100, glasses=4, hair_color=0)
    return folder


def test_the_official_layout(official):
    avatars = load_cartoons(official.parent, size=20, progress=False)
    assert avatars.images.shape == (2, 3, 20, 20)
    np.testing.assert_array_equal(avatars.images[:, 0, 10, 10], [100, 200])
    np.testing.assert_array_equal(avatars.images[:, :, 0, 0], 255)
    assert list(avatars.attributes.index) == ["cs1", "cs2"]
    assert avatars.attributes["glasses"].tolist() == [4, 11]
    assert avatars.attributes["hair_color"].tolist() == [0, 3]


def test_a_crop_keeps_the_centre(official):
    avatars = load_cartoons(official, size=10, crop=0.5, progress=False)
    np.testing.assert_array_equal(avatars.images[0], 100)  # nothing of the white around the square is left


def test_the_larger_set_lies_in_subfolders(tmp_path):
    for part in range(2):
        write_avatar(tmp_path / "cartoonset100k" / str(part), f"cs{part}", 50 * part, hair=part)
    avatars = load_cartoons(tmp_path, size=10, cache=tmp_path / "c.npy", progress=False)
    assert isinstance(avatars.images, np.memmap)
    assert avatars.attributes["hair"].tolist() == [0, 1]


def test_attributes_must_be_there_and_complete(official):
    (official / "cs1.csv").write_text('"glasses", 4, 15\n')
    with pytest.raises(DataError, match="1 avatars lack an attribute that others have, cs1 for example"):
        load_cartoons(official, progress=False)
    (official / "cs1.csv").write_text("glasses is 4\n")
    with pytest.raises(DataError, match="cs1.csv: expected lines such as"):
        load_cartoons(official, progress=False)
    (official / "cs1.csv").unlink()
    with pytest.raises(DataError, match="cs1.csv"):
        load_cartoons(official, progress=False)


@pytest.fixture
def packed(tmp_path, rng):
    folder = tmp_path / "cartoonset"
    folder.mkdir()
    images = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    with lzma.open(folder / "images_64x64.npy.xz", "wb") as file:
        np.save(file, images)
    np.savez(
        folder / "attributes.npz",
        eye_color=np.array([0, 4, 2]),
        derived_hair_color=np.array([1, 0, -1]),
        hair_color_names=np.array(["black", "golden"]),
    )
    return folder, images


def test_the_packed_layout(packed):
    folder, images = packed
    for root in (folder, folder.parent):
        avatars = load_cartoons(root)
        np.testing.assert_array_equal(avatars.images, images.transpose(0, 3, 1, 2))
    assert avatars.attributes["eye_color"].tolist() == [0, 4, 2]
    assert avatars.attributes["hair_color_name"].fillna("unknown").tolist() == ["golden", "black", "unknown"]
    assert load_cartoons(folder, size=32).images.shape == (3, 3, 32, 32)


def test_absent_files_say_where_to_get_them(tmp_path):
    with pytest.raises(DataError, match=r"cs\*\.png.*cartoonset10k\.tgz.*google\.github\.io/cartoonset"):
        load_cartoons(tmp_path)


@pytest.mark.data
def test_the_real_thing(data_root):
    if not (data_root / "cartoonset").is_dir():
        pytest.skip(f"no Cartoon Set in {data_root}")
    avatars = load_cartoons(data_root)
    assert avatars.images.shape == (avatars.n, 3, 64, 64)
    assert (avatars.images[:, :, 0, 0] == 255).all()  # on white
    assert {"derived_glasses", "hair_color_name", "eye_color"} <= set(avatars.attributes)
