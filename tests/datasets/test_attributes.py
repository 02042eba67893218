import numpy as np
import pytest

from pyro_favae.datasets import digit_attributes, one_hot
from pyro_favae.errors import DataError


def test_every_digit_has_a_code_of_its_own():
    codes = digit_attributes(range(10))
    assert list(codes.columns) == ["even", "large", "loop", "straight", "symmetric"]
    assert not codes.duplicated().any()
    assert set(np.unique(codes)) == {0, 1}


def test_attributes_follow_the_rows():
    table = digit_attributes(np.array([8, 1, 8]))
    assert table.to_numpy().tolist() == [[1, 1, 1, 0, 1], [0, 0, 0, 1, 1], [1, 1, 1, 0, 1]]


def test_one_hot_marks_the_class():
    table = one_hot([2, 0], 3)
    assert list(table.columns) == ["0", "1", "2"]
    assert table.to_numpy().tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("labels", [[10], [-1], [[1]], [0.5]])
def test_what_is_no_digit_is_refused(labels):
    with pytest.raises(DataError, match="labels"):
        digit_attributes(labels)
