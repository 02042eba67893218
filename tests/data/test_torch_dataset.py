"""Torch datasets: read a row at a time, and what each unfit one is told."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset

import pyro_favae as fv
from pyro_favae.data import given_views, prepare
from pyro_favae.data.torch_dataset import TorchDatasetSource
from pyro_favae.datasets import Field
from pyro_favae.errors import DataError
from pyro_favae.models.views import Bernoulli, Categorical, Image, Real

CPU = torch.device("cpu")


class Items(Dataset):
    """Items from a list, each made anew by a function, and a record of those read."""

    def __init__(self, items, make=lambda item: item):
        self.items, self.make, self.read = items, make, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        self.read.append(row)
        return self.make(self.items[row])


class Files(Dataset):
    """Items from files."""

    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        return np.load(self.paths[row])


def dataset_of(view, values):
    return prepare(fv.FAVAE({"x": view}, 1), {"x": values})


def source_of(view, values):
    return dataset_of(view, values).views["x"].source


@pytest.mark.parametrize("make", [np.asarray, torch.as_tensor, float], ids=["arrays", "tensors", "numbers"])
def test_items_are_rows(rng, make):
    columns = 1 if make is float else 3
    values = rng.normal(size=(20, columns))
    source = source_of(Real(columns), Items(values[:, 0] if make is float else values, make))
    assert isinstance(source, TorchDatasetSource)
    for request in (slice(0, 3), slice(15, 30), slice(None), torch.tensor([7]), torch.tensor([11, 0, 5, 5])):
        assert torch.equal(source.take(request), torch.as_tensor(values)[request])
    assert source.take(slice(3, 3)).shape == (0, columns)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (bool, torch.bool),
        (np.uint8, torch.uint8),
        (np.float16, torch.float16),
        (np.float32, torch.float32),
        (np.float64, torch.float64),
        (np.int8, torch.float64),
        (np.uint16, torch.float64),
        (np.uint64, torch.float64),
        (">i8", torch.float64),
    ],
)
def test_types_are_those_of_arrays(dtype, expected):
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    taken = source_of(Real(2), Items(values)).take(slice(0, 2))
    assert taken.dtype == expected
    assert taken.tolist() == values.tolist()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int32])
def test_the_largest_integers_do_not_wrap(dtype):
    largest = np.iinfo(dtype).max
    assert source_of(Real(1), Items(np.array([largest, 0], dtype))).take(slice(0, 1)).item() == float(largest)


@pytest.mark.parametrize("make", [int, np.int64, np.uint8, torch.tensor, lambda c: torch.tensor([c])])
def test_codes_of_classes(make):
    codes = [0, 2, 1, 2]
    assert dataset_of(Categorical(3), Items(codes, make)).batch(slice(None), CPU).data["x"].tolist() == codes


def test_numbers_may_be_whole_or_missing():
    view = dataset_of(Categorical(3), Items([0, float("nan"), np.float32(2), True])).views["x"]
    assert view.present.tolist() == [True, False, True, True]
    assert view.batch(slice(None), CPU)[0].tolist() == [0, 0, 2, 1]


def test_rows_and_entries_of_nan_are_missing():
    view = dataset_of(Bernoulli(2), Items(np.array([[0, 1], [np.nan, 1], [np.nan, np.nan]]))).views["x"]
    assert view.present.tolist() == [True, True, False]
    assert view.batch(slice(None), CPU)[1].tolist() == [[True, True], [False, True], [False, False]]


def test_only_the_rows_asked_for_are_read(rng):
    items = Items(rng.normal(size=(50, 3)))
    dataset = dataset_of(Real(3), items)
    assert set(items.read) == set(range(50))
    items.read.clear()
    dataset.batch(torch.tensor([40, 3, 7]), CPU)
    assert items.read == [40, 3, 7]


def test_a_fit_is_that_of_the_array(rng, tmp_path):
    """Images from files and their labels, one dataset for both."""
    images = rng.random((24, 1, 4, 4)).astype(np.float32)
    labels = rng.integers(0, 2, size=(24, 3)).astype(float)
    for i in range(24):
        np.save(tmp_path / f"{i}.npy", images[i])
    model = fv.FAVAE({"image": Image((1, 4, 4), latent_dim=2), "labels": Bernoulli(3)}, 2)

    def fitted(image, labels):
        data = {"image": image, "labels": labels}
        return fv.fit(model, data, epochs=3, batch_size=7, seed=0, progress=False, device="cpu")

    files = Files([tmp_path / f"{i}.npy" for i in range(24)])
    pairs = Items(range(24), lambda i: {"image": files[i], "labels": labels[i]})
    kept, streamed = fitted(images, labels), fitted(Field(pairs, "image"), Field(pairs, "labels"))
    assert streamed.elbo == kept.elbo
    np.testing.assert_array_equal(streamed.weights("image"), kept.weights("image"))
    some = torch.arange(5)
    expected = kept.predict("labels", {"image": images[:5]}).mean
    np.testing.assert_array_equal(streamed.predict("labels", {"image": Subset(files, some)}).mean, expected)


def test_bytes_are_scaled():
    pixels = np.random.default_rng(0).integers(0, 256, size=(5, 1, 4, 4), dtype=np.uint8)
    dataset = dataset_of(Image((1, 4, 4), 2), Items(pixels))
    np.testing.assert_allclose(dataset.batch(slice(None), CPU).data["x"], pixels / np.float32(255), rtol=1e-6)


def test_parts_and_joins_of_datasets(rng):
    values = torch.as_tensor(rng.normal(size=(10, 3)))
    whole = Field(TensorDataset(values, torch.arange(10)), 0)
    taken = source_of(Real(3), Subset(whole, [8, 1, 1])).take(slice(None))
    assert torch.equal(taken, values[[8, 1, 1]])
    taken = source_of(Real(3), ConcatDataset([whole, whole])).take(torch.tensor([12]))
    assert torch.equal(taken, values[[2]])


def test_what_one_conditions_on_may_be_a_dataset():
    model = fv.FAVAE({"x": Real(3), "y": Real(2)}, 1)
    dataset = given_views(model, {"x": Items(np.arange(6.0).reshape(2, 3))})
    assert dataset.batch(slice(None), CPU).data["x"].tolist() == [[0, 1, 2], [3, 4, 5]]


@dataclass(frozen=True)
class Padded(Real):
    """Shorter rows are padded at their end."""

    def collected(self, name: str, rows) -> np.ndarray:
        return np.stack([np.pad(row, (0, self.dim - len(row)), constant_values=np.nan) for row in rows])


def test_items_of_variable_length_where_the_view_pads_them():
    items = Items([torch.ones(size) for size in (3, 1, 2)])
    dataset = prepare(fv.FAVAE({"x": Padded(3)}, 1), {"x": items})
    assert dataset.batch(slice(None), CPU).observed["x"].sum(1).tolist() == [3, 1, 2]
    with pytest.raises(DataError, match=r"'x', row 1, has an item of shape \(1,\), expected \(3,\)"):
        dataset_of(Real(3), items)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.zeros(5, 3))


class Endless(Dataset):
    def __getitem__(self, row):
        return torch.zeros(3)


def failing_at(row: int, error: Exception):
    def make(item):
        if item == row:
            raise error
        return torch.zeros(3)

    return Items(range(6), make)


def odd_one(row: int, item):
    """Five items of three zeros and, at a row, another item."""
    return Items([item if i == row else torch.zeros(3) for i in range(5)])


class Named(tuple):
    """As a named tuple."""


PIXELS = np.zeros((4, 4), dtype=np.uint8)
PICTURE = Image((1, 4, 4), 2)
BAD = {
    "an item that raises": (
        Real(3),
        failing_at(4, OSError("torn file")),
        ["row 4", "Items", "OSError: torn file"],
    ),
    "a length that is too large": (
        Real(3),
        Subset(Items([torch.zeros(3)] * 2), [0, 1, 2]),
        ["row 2", "Subset", "IndexError"],
    ),
    "no rows": (Real(3), Items([]), ["0 rows"]),
    "no positions": (Real(3), Stream(), ["'x'", "iterable", "Stream", "map-style", "list(dataset)"]),
    "a part without positions": (Real(3), Subset(Stream(), [0]), ["row 0", "NotImplementedError"]),
    "no length": (Real(3), Endless(), ["'x'", "without a length", "Endless", "__len__"]),
    "a field of what has no length": (Real(3), Field(Endless(), 0), ["'x'", "without a length", "Field"]),
    "tuples": (
        PICTURE,
        Items([(torch.zeros(1, 4, 4), 3)]),
        ["row 0", "tuple of 2 parts", "Field(dataset, 0)"],
    ),
    "named tuples": (Real(3), Items([Named((torch.zeros(3), 3))]), ["Named of 2 parts", "Field(dataset, 0)"]),
    "tuples of one": (Real(3), TensorDataset(torch.zeros(5, 3)), ["tuple of 1 parts", "Field(dataset, 0)"]),
    "lists": (Real(3), Items([[torch.zeros(3), 1]]), ["list of 2 parts", "Field(dataset, 0)"]),
    "mappings": (Real(3), Items([{"scan": torch.zeros(3)}]), ["dict of 1 parts", "Field(dataset, 'scan')"]),
    "an empty mapping": (Real(3), Items([{}]), ["dict of 0 parts"]),
    "no such part": (Real(3), Field(Items([(1, 2)]), 5), ["row 0", "tuple of 2", "no part 5"]),
    "no such key": (Real(3), Field(Items([{"a": 1}]), "b"), ["row 0", "['a']", "no part 'b'"]),
    "a part of a number": (Real(3), Field(Items([1.0]), 0), ["row 0", "float", "no part 0"]),
    "pictures": (PICTURE, Items([Picture.fromarray(PIXELS)]), ["row 0", "PIL", "ToTensor()", "(1, 4, 4)"]),
    "None": (Real(3), odd_one(2, None), ["row 2", "None", "NaN"]),
    "text": (Real(3), odd_one(3, "text"), ["row 3", "numbers"]),
    "an object": (Real(3), odd_one(3, object()), ["row 3", "numbers"]),
    "complex": (Real(3), odd_one(1, torch.zeros(3, dtype=torch.cfloat)), ["row 1", "complex"]),
    "another shape": (Real(3), odd_one(3, torch.zeros(4)), ["row 3", "(4,)", "(3,)"]),
    "another number of dimensions": (Real(3), odd_one(3, torch.zeros(1, 3)), ["row 3", "(1, 3)", "(3,)"]),
    "a number for a row": (Real(3), odd_one(0, 1.0), ["row 0", "()", "(3,)"]),
    "another type": (Real(3), odd_one(2, np.zeros(3, np.uint8)), ["row 2", "uint8", "float32", "one type"]),
    "channels last": (PICTURE, Items(np.zeros((5, 4, 4, 1))), ["row 0", "(4, 4, 1)", "channels first"]),
    "grey without a channel": (PICTURE, Items(np.zeros((5, 4, 4))), ["row 0", "(4, 4)", "(1, 4, 4)"]),
    "pixels to 255": (PICTURE, Items(np.full((5, 1, 4, 4), 255.0)), ["'x'", "255", "[0, 1]"]),
    "infinite": (Real(1), Items([0.0, np.inf]), ["'x'", "1 infinite"]),
    "all missing": (Real(1), Items([np.nan] * 3), ["'x'", "missing in all 3 rows"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_datasets(case):
    view, values, words = BAD[case]
    with pytest.raises(DataError) as caught:
        dataset_of(view, values)
    for word in ["'x'", *words]:
        assert word in str(caught.value), f"{word!r} is not in {caught.value}"


def test_other_numbers_of_rows_than_the_other_views():
    model = fv.FAVAE({"x": Real(3), "y": Real(1)}, 1)
    with pytest.raises(DataError, match="'x' has 5 rows, expected 6"):
        prepare(model, {"x": odd_one(0, torch.zeros(3)), "y": np.zeros(6)})


def test_an_interrupt_is_no_error_of_the_data():
    with pytest.raises(KeyboardInterrupt):
        dataset_of(Real(3), failing_at(2, KeyboardInterrupt()))
