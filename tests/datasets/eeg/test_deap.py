"""DEAP's files, as they are laid out: one participant each, of MATLAB or pickled by Python 2."""

import os
import pickle

import numpy as np
import pytest
from scipy.io import savemat

from pyro_favae.datasets.eeg import deap_files, read_deap
from pyro_favae.datasets.eeg.pickles import read_pickled_arrays
from pyro_favae.errors import DataError


@pytest.fixture
def participant(rng):
    """Two videos of 40 channels, and their ratings."""
    return {"data": rng.normal(size=(2, 40, 256)), "labels": np.array([[6.0, 2, 5, 5], [5.0, 7.5, 1, 9]])}


def python_2(array: np.ndarray) -> bytes:
    """How Python 2 pickles an array at protocol 2: bytes as its own strings, NumPy's old module name."""

    def short(text: bytes) -> bytes:
        return pickle.BINSTRING + len(text).to_bytes(4, "little") + text

    def integer(value: int) -> bytes:
        return pickle.BININT + value.to_bytes(4, "little", signed=True)

    def name(module: str, item: str) -> bytes:
        return pickle.GLOBAL + f"{module}\n{item}\n".encode()

    shape = pickle.MARK + b"".join(map(integer, array.shape)) + pickle.TUPLE
    kind = name("numpy", "dtype") + short(b"f8") + integer(0) + integer(1) + pickle.TUPLE3 + pickle.REDUCE
    nothing = pickle.NONE
    state = integer(3) + short(b"<") + 3 * nothing + integer(-1) + integer(-1) + integer(0)
    kind += pickle.MARK + state + pickle.TUPLE + pickle.BUILD
    empty = name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray")
    empty += integer(0) + pickle.TUPLE1 + short(b"b") + pickle.TUPLE3 + pickle.REDUCE
    content = pickle.NEWFALSE + short(array.astype("<f8").tobytes())
    return empty + pickle.MARK + integer(1) + shape + kind + content + pickle.TUPLE + pickle.BUILD


def pickled_by_python_2(content: dict[str, np.ndarray]) -> bytes:
    items = b"".join(
        pickle.SHORT_BINSTRING + bytes([len(key)]) + key.encode() + python_2(array) + pickle.SETITEM
        for key, array in content.items()
    )
    return pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + items + pickle.STOP


def assert_read(path, participant):
    read = read_deap(path)
    np.testing.assert_array_equal(read.signals, participant["data"][:, :32])
    np.testing.assert_array_equal(read.ratings, participant["labels"])
    np.testing.assert_array_equal(read.classes, [1, 2])


def test_matlab(tmp_path, participant):
    savemat(tmp_path / "s01.mat", participant)
    assert_read(tmp_path / "s01.mat", participant)


def test_python_2(tmp_path, participant):
    path = tmp_path / "s01.dat"
    path.write_bytes(pickled_by_python_2(participant))
    trusted = pickle.loads(path.read_bytes(), encoding="latin1")  # it is what NumPy itself would read
    np.testing.assert_array_equal(trusted["data"], participant["data"])
    assert_read(path, participant)


@pytest.mark.parametrize("protocol", [2, 4])
def test_python_3(tmp_path, participant, protocol):
    participant["data"] = np.asfortranarray(participant["data"].astype(">f4"))
    (tmp_path / "s01.dat").write_bytes(pickle.dumps(participant, protocol))
    assert_read(tmp_path / "s01.dat", participant)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_something_is_refused(tmp_path, participant):
    mark = tmp_path / "ran"
    (tmp_path / "s01.dat").write_bytes(pickle.dumps({**participant, "more": Malicious(mark)}))
    with pytest.raises(DataError, match="mkdir, which no array of numbers needs"):
        read_deap(tmp_path / "s01.dat")
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"data": np.array([None, print], dtype=object)},
        {"data": np.array([("a", 1)], dtype="U1,i4")},
        {"data": np.array(["text"])},
        {"data": [1, 2]},
        [np.zeros(3)],
        np.dtype("f8"),
        np.ndarray,
        "text",
    ],
)
def test_other_pickles_are_refused(tmp_path, content):
    (tmp_path / "s01.dat").write_bytes(pickle.dumps(content, 2))
    with pytest.raises(DataError, match="no pickled dictionary of numeric arrays"):
        read_pickled_arrays(tmp_path / "s01.dat")


def test_damaged_files_are_refused(tmp_path, participant):
    whole = pickle.dumps(participant)
    for content in (b"", b"nonsense", whole[: len(whole) // 2], whole.replace(b"f8", b"q9")):
        (tmp_path / "s01.dat").write_bytes(content)
        with pytest.raises(DataError, match="no pickled dictionary"):
            read_deap(tmp_path / "s01.dat")
    (tmp_path / "s01.mat").write_bytes(b"nonsense" * 100)
    with pytest.raises(DataError, match="no MATLAB file"):
        read_deap(tmp_path / "s01.mat")


def test_another_layout_is_named(tmp_path, participant):
    savemat(tmp_path / "s01.mat", {"data": participant["data"][:, :30], "labels": participant["labels"]})
    with pytest.raises(DataError, match=r"'data': \(2, 30, 256\)"):
        read_deap(tmp_path / "s01.mat")
    savemat(tmp_path / "s01.mat", {"other": 1})
    with pytest.raises(DataError, match="neither data nor labels"):
        read_deap(tmp_path / "s01.mat")


def test_participants_of_a_folder(tmp_path):
    for name in ("s02.dat", "s01.dat", "s01.mat", "readme.txt", "s1.mat"):
        (tmp_path / name).touch()
    assert [path.name for path in deap_files(tmp_path)] == ["s01.mat", "s02.dat"]
