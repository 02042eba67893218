"""Rows from memory and from memory-mapped files."""

import numpy as np
import pytest
import torch

from pyro_favae.data import prepare
from pyro_favae.data.prepare import SCAN_BYTES
from pyro_favae.data.source import MemmapSource, TensorSource
from pyro_favae.errors import DataError
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.views import Bernoulli, Categorical, Image, Real

CPU = torch.device("cpu")


@pytest.fixture
def mapped(tmp_path):
    """Writes an array as .npy, and returns its memory map."""

    def write(values: np.ndarray, mode: str = "r") -> np.memmap:
        np.save(tmp_path / "values.npy", values)
        return np.load(tmp_path / "values.npy", mmap_mode=mode)

    return write


def source_of(view, values):
    return prepare(FAVAE({"x": view}, 1), {"x": values}).views["x"].source


REQUESTS = {
    "first rows": slice(0, 3),
    "rows within": slice(4, 9),
    "beyond the end": slice(15, 30),
    "a row": torch.tensor([7]),
    "random rows": torch.tensor([11, 0, 5, 5, 19]),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("shape", [(20,), (20, 3), (20, 2, 3, 4)], ids=["codes", "table", "images"])
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.uint16, np.float16, np.float32, np.float64])
def test_both_sources_take_the_same_rows(mapped, rng, dtype, shape, request_):
    values = rng.integers(0, 100, size=shape).astype(dtype)
    kept = TensorSource(torch.as_tensor(values.astype(np.float64)))
    streamed = MemmapSource(mapped(values))
    assert len(streamed) == len(kept) == 20
    assert streamed.shape == shape
    torch.testing.assert_close(streamed.take(request_).to(torch.float64), kept.take(request_))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16, np.float32, np.float64, np.int64, ">f8"])
def test_bytes_and_floats_keep_their_type(mapped, dtype):
    values = np.arange(6).reshape(3, 2).astype(dtype)
    small = {bool: torch.bool, np.uint8: torch.uint8, np.float16: torch.float16, np.float32: torch.float32}
    for source in (MemmapSource(mapped(values)), source_of(Real(2), values)):
        assert source.take(slice(0, 2)).dtype == small.get(dtype, torch.float64)
        assert source.take(slice(0, 2)).tolist() == values[:2].tolist()


def test_a_map_that_begins_within_a_file(tmp_path, rng):
    """After a header of a size that is no multiple of anything."""
    values = rng.normal(size=(10, 3))
    (tmp_path / "raw").write_bytes(b"x" * 37 + values.tobytes())
    whole = np.memmap(tmp_path / "raw", np.float64, "r", offset=37, shape=(10, 3))
    source = MemmapSource(whole)
    np.testing.assert_array_equal(source.take(slice(4, 6)), values[4:6])
    np.testing.assert_array_equal(source.take(torch.tensor([9, 2])), values[[9, 2]])


def test_a_whole_map_is_streamed(mapped, rng):
    values = rng.normal(size=(20, 3))
    source = source_of(Real(3), mapped(values))
    assert isinstance(source, MemmapSource)
    np.testing.assert_array_equal(source.take(slice(0, 20)), values)


@pytest.mark.parametrize(
    "part",
    [
        lambda m: m[5:],
        lambda m: m[::2],
        lambda m: m[:, ::-1],
        lambda m: m[5:][3:],
        lambda m: m[[4, 2]],
        lambda m: m.reshape(10, 12)[:, :6],
        lambda m: np.asarray(m),
        lambda m: m * 2,
        lambda m: m.view(np.ndarray),
    ],
    ids=["slice", "stride", "flipped", "slice of slice", "rows", "columns", "array", "product", "view"],
)
def test_parts_of_a_map_come_from_memory(mapped, rng, part):
    values = part(mapped(rng.normal(size=(20, 6)))).reshape(-1, 6)
    source = source_of(Real(6), values)
    assert isinstance(source, TensorSource)
    np.testing.assert_array_equal(source.take(slice(0, len(values))), values)


def test_a_map_in_fortran_order_comes_from_memory(mapped, rng):
    values = np.asfortranarray(rng.normal(size=(20, 3)))
    source = source_of(Real(3), mapped(values))
    assert isinstance(source, TensorSource)
    np.testing.assert_array_equal(source.take(slice(0, 20)), values)


def test_what_was_changed_in_a_copy_on_write_map_is_seen(mapped):
    values = mapped(np.zeros((5, 2)), mode="c")
    values[3] = 7
    assert source_of(Real(2), values).take(slice(3, 4)).tolist() == [[7, 7]]


def test_what_was_changed_in_a_writable_map_is_seen(mapped):
    values = mapped(np.zeros((5, 2)), mode="r+")
    values[3] = 7
    assert source_of(Real(2), values).take(slice(3, 4)).tolist() == [[7, 7]]


def test_a_map_may_be_a_column_or_a_vector(mapped):
    codes = np.array([0, 2, 1])
    for values in (codes, codes[:, None]):
        for view in (Categorical(3), Real(1)):
            source = source_of(view, mapped(values))
            assert isinstance(source, MemmapSource)
            assert source.take(slice(0, 3)).flatten().tolist() == [0, 2, 1]
            assert source.take(torch.tensor([1])).shape == (1, *view.event_shape)


def test_missing_rows_and_entries_of_a_map(mapped, rng):
    values = rng.normal(size=(20, 3))
    values[3] = np.nan
    values[5, 1] = np.nan
    view = prepare(FAVAE({"x": Real(3)}, 1), {"x": mapped(values)}).views["x"]
    assert view.partial
    assert (~view.present).nonzero().tolist() == [[3]]
    seen, observed = view.batch(torch.tensor([5, 3, 0]), CPU)
    np.testing.assert_array_equal(observed, ~np.isnan(values[[5, 3, 0]]))
    np.testing.assert_array_equal(seen, np.nan_to_num(values[[5, 3, 0]]))


def test_every_part_of_a_long_map_is_scanned(mapped):
    """A few rows at a time: what is missing or wrong in the last of them is seen."""
    values = np.zeros((SCAN_BYTES // 16 + 10, 2), dtype=np.float16)
    values[-1, 0] = np.nan
    assert prepare(FAVAE({"x": Bernoulli(2)}, 1), {"x": mapped(values)}).views["x"].partial
    values[-1, 1] = 3
    with pytest.raises(DataError, match="'x': 1 values are neither 0 nor 1"):
        prepare(FAVAE({"x": Bernoulli(2)}, 1), {"x": mapped(values)})


@pytest.mark.parametrize(
    ("view", "values", "message"),
    [
        (Real(3), np.zeros((5, 2)), r"shape \(5, 2\), expected \(rows, 3\)"),
        (Real(2), np.zeros((5, 2), dtype=complex), "complex"),
        (Real(2), np.full((5, 2), "text"), "numbers"),
        (Categorical(3), np.full(5, 3, dtype=np.uint64), "5 values are not class codes"),
        (Categorical(3), np.full(5, np.inf, dtype=np.float32), "5 infinite values in 5 rows"),
        (Image((1, 4, 4), 2), np.full((5, 1, 4, 4), 255, dtype=np.int16), "0, 1"),
    ],
    ids=["shape", "complex", "text", "codes", "infinite", "pixels"],
)
def test_bad_maps(mapped, view, values, message):
    with pytest.raises(DataError, match=f"view 'x'.*{message}"):
        source_of(view, mapped(values))


def test_uint8_images_are_streamed_as_bytes(mapped, rng):
    pixels = rng.integers(0, 256, size=(7, 1, 4, 4), dtype=np.uint8)
    dataset = prepare(FAVAE({"x": Image((1, 4, 4), 2)}, 1), {"x": mapped(pixels)})
    assert isinstance(dataset.views["x"].source, MemmapSource)
    assert dataset.views["x"].source.take(slice(0, 7)).dtype == torch.uint8
    batch = dataset.batch(torch.tensor([6, 1]), CPU)
    np.testing.assert_allclose(batch.data["x"], pixels[[6, 1]] / np.float32(255), rtol=1e-6)
