import numpy as np
import pytest
from PIL import Image

import pyro_favae as fv
from pyro_favae.datasets import load_celeba
from pyro_favae.errors import DataError

SHADES = (10, 120, 240)


@pytest.fixture
def folder(tmp_path):
    """Three faces of one shade each, in the official layout."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    lines = ["3", "Male Smiling "]
    for k, shade in enumerate(SHADES, 1):
        face = np.full((218, 178, 3), shade, np.uint8)
        Image.fromarray(face).save(folder / "img_align_celeba" / f"{k:06}.jpg")
        lines.append(f"{k:06}.jpg {'-1' if k == 2 else ' 1'} {' 1' if k == 3 else '-1'}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 2\n000003.jpg 0\n")
    return folder


def test_faces_and_attributes_in_the_order_of_the_list(folder):
    faces = load_celeba(folder.parent, size=16, progress=False)
    assert faces.n == 3
    assert faces.images.shape == (3, 3, 16, 16)
    assert faces.images.dtype == np.uint8
    np.testing.assert_array_equal(faces.images[:, 0, 0, 0], SHADES)
    assert list(faces.attributes.index) == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert faces.attributes["Male"].tolist() == [1, 0, 1]
    assert faces.attributes["Smiling"].tolist() == [0, 0, 1]


def test_the_folder_itself_is_found_too(folder):
    assert load_celeba(folder, size=8, progress=False).n == 3


def test_parts_of_the_official_partition(folder):
    train = load_celeba(folder, size=8, part="train", progress=False)
    assert list(train.attributes.index) == ["000001.jpg", "000003.jpg"]
    np.testing.assert_array_equal(train.images[:, 0, 0, 0], [SHADES[0], SHADES[2]])
    assert load_celeba(folder, size=8, part="valid", progress=False).n == 0
    with pytest.raises(DataError, match="expected one of 'train', 'valid', 'test' or None"):
        load_celeba(folder, part="training")


def test_a_partition_that_is_not_there_is_asked_for(folder):
    (folder / "list_eval_partition.txt").unlink()
    assert load_celeba(folder, size=8, progress=False).n == 3
    with pytest.raises(DataError, match="list_eval_partition.txt"):
        load_celeba(folder, part="test")


def test_a_cache_is_streamed_by_a_fit(folder, tmp_path):
    faces = load_celeba(folder, size=8, cache=tmp_path / "faces.npy", progress=False)
    assert isinstance(faces.images, np.memmap)
    view = fv.views.Image((3, 8, 8), 2, network="dense")
    assert fv.pretrain(view, faces.images, epochs=1, seed=0, progress=False).reconstruct(faces.images).shape == (
        3, 3, 8, 8
    )  # fmt: skip


def test_absent_files_say_where_to_get_them(tmp_path):
    with pytest.raises(DataError, match=r"img_align_celeba/ .* list_attr_celeba\.txt.*CelebA\.html"):
        load_celeba(tmp_path)


def test_a_damaged_list_is_named(folder):
    path = folder / "list_attr_celeba.txt"
    path.write_text(path.read_text().replace("-1", "0"))
    with pytest.raises(DataError, match="-1 and 1 only"):
        load_celeba(folder)
    path.write_text("3\n")
    with pytest.raises(DataError, match="list_attr_celeba.txt: expected a file name and integers"):
        load_celeba(folder)


@pytest.mark.data
def test_the_real_thing(data_root):
    if not (data_root / "celeba").is_dir():
        pytest.skip(f"no CelebA in {data_root}")
    faces = load_celeba(data_root, size=32, crop=0.75, progress=False)
    assert faces.images.shape == (faces.n, 3, 32, 32)
    assert faces.attributes.shape == (faces.n, 40)
    assert faces.attributes.loc["000001.jpg", ["Smiling", "Wearing_Lipstick", "Male"]].tolist() == [1, 1, 0]
    assert 90 < faces.images.mean() < 150
