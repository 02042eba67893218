"""One part of a data set whose items have several."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from pyro_favae.datasets import Field
from pyro_favae.errors import DataError


def test_parts_by_position_and_by_name():
    pairs = TensorDataset(torch.arange(6.0).reshape(3, 2), torch.tensor([5, 6, 7]))
    assert len(Field(pairs, 0)) == 3
    assert Field(pairs, 0)[2].tolist() == [4, 5]
    assert Field(pairs, -1)[1] == 6
    assert Field([{"a": 1}, {"a": 2}], "a")[1] == 2
    assert Field(Field([{"a": (1, 2)}], "a"), 1)[0] == 2


def test_it_is_a_torch_dataset():
    batch = next(iter(DataLoader(Field([(np.ones(2), "text")] * 4, 0), batch_size=4)))
    assert batch.shape == (4, 2)


@pytest.mark.parametrize(
    ("item", "key", "message"),
    [
        ((1, 2), 2, "item 0 is a tuple of 2, which has no part 2"),
        ({"a": 1}, 0, r"item 0 is a dict with \['a'\], which has no part 0"),
        (3.0, 0, "item 0 is a float, which has no part 0"),
        ((1, 2), "image", "item 0 is a tuple of 2, which has no part 'image'"),
    ],
)
def test_an_item_without_the_part(item, key, message):
    with pytest.raises(DataError, match=message):
        Field([item], key)[0]
