"""Data that do not belong to the views they are given for."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from torch.utils.data import Dataset, IterableDataset

import pyro_favae as fv
from pyro_favae.data import prepare
from tests.hostile.family import Family
from tests.hostile.values import ANYTHING, TEXTS, anything

N = 6
VIEWS: dict[str, fv.views.View] = {
    "table": fv.views.Real(3),
    "labels": fv.views.Bernoulli(["a", "b"]),
    "class": fv.views.Categorical(3),
    "embedding": fv.views.Frozen(2, variances=True),
    "behind": fv.views.Tabular(["u", "v"], 1, hidden=(3,)),
    "counts": fv.views.Tabular(2, 1, hidden=(3,), likelihood=fv.likelihoods.Poisson()),
    "image": fv.views.Image((1, 4, 4), 1, network="dense"),
    "steps": fv.views.Sequence(3, 2, 1, hidden=2),
}
GROUPED = fv.priors.Grouped(("p", "q"))
MODEL = fv.FAVAE(VIEWS, 2, factors=GROUPED)
SMALL = [
    fv.FAVAE({name: VIEWS[name] for name in ("table", "labels", "class")}, 2, factors=GROUPED),
    fv.FAVAE({name: VIEWS[name] for name in ("labels", "embedding")}, 2, factors=fv.priors.Mixture(2)),
    *(fv.FAVAE({name: VIEWS[name]}, 1) for name in ("behind", "counts", "image", "steps")),
]
_RNG = np.random.default_rng(0)
DATA: dict[str, Any] = {
    "table": _RNG.normal(size=(N, 3)),
    "labels": (_RNG.normal(size=(N, 2)) > 0).astype(float),
    "class": np.arange(N) % 3,
    "embedding": _RNG.gamma(2.0, size=(N, 4)),
    "behind": _RNG.normal(size=(N, 2)),
    "counts": _RNG.poisson(3.0, size=(N, 2)),
    "image": _RNG.random((N, 1, 4, 4)).astype(np.float32),
    "steps": _RNG.normal(size=(N, 3, 2)),
    "group": ["p", "q"] * (N // 2),
}
DTYPES = [
    "?",
    "i1",
    "u1",
    "i8",
    "u8",
    "f2",
    "f4",
    "f8",
    "g",
    "c16",
    "O",
    "U3",
    "S3",
    "M8[s]",
    "m8[s]",
    "i4,f8",
]


class Broken(Dataset):
    """A data set whose items are as given, or raise."""

    def __init__(self, items: list) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> Any:
        if isinstance(self.items[row], Exception):
            raise self.items[row]
        return self.items[row]


class Endless(IterableDataset):
    def __iter__(self):
        return iter([1.0])


class Unreadable:
    """Says that it is an array and is not."""

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise RuntimeError("no array after all")


def exotic() -> list[Any]:
    """Containers of many kinds, some of them broken; PyTorch warns of those that are prototypes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            *(
                Unreadable(),
                Broken([]),
                Broken([RuntimeError("disk")]),
                Broken([1.0, "a"]),
                Broken([None] * N),
                Endless(),
            ),
            *(
                sp.csr_array((N, 3)),
                sp.coo_array((N, 2)),
                sp.csr_array((0, 3)),
                sp.csr_array(np.ones((N, 3), complex)),
            ),
            *(
                sp.csr_array((10**9, 3)),
                torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged),
            ),
            *(
                torch.ones(N, 3).to_sparse(),
                torch.ones(N, 3).to_sparse_csr(),
                torch.ones(N, 3, device="meta"),
            ),
            *(
                torch.quantize_per_tensor(torch.ones(N, 3), 0.1, 0, torch.quint8),
                torch.ones(N, 3, dtype=torch.bfloat16),
            ),
            *(
                torch.ones(N, 3, requires_grad=True),
                np.ma.masked_all((N, 3)),
                np.ma.masked_array(np.ones((N, 3), int), True),
            ),
            *(
                np.broadcast_to(0.0, (N, 3)),
                np.zeros((1,) * 32),
                np.zeros((N, 3))[::-1],
                np.zeros((0, 3)),
            ),
            *(
                [[1, 2], [3]],
                [None] * N,
                [None],
                [[None]],
                [np.ones(3), None, "a"],
                [torch.ones(3)] * N,
                [[[]]],
            ),
            *(
                pd.DataFrame(),
                pd.DataFrame(index=range(N)),
                pd.Series(dtype=float),
                pd.Series(["a"] * N, dtype="category"),
            ),
            *(
                pd.DataFrame(np.zeros((N, 3)), index=[0] * N),
                pd.DataFrame(np.zeros((N, 3)), columns=["a", "a", "b"]),
            ),
            *(
                pd.DataFrame({"a": ["x"] * N, "b": [1] * N}),
                pd.DataFrame({0: pd.array([1, None] * (N // 2), "Int64")}),
            ),
            pd.DataFrame(np.zeros((N, 3)), index=pd.MultiIndex.from_product([range(2), range(3)])),
            pd.DataFrame(np.zeros((N, 2)), columns=pd.MultiIndex.from_product([["a"], ["b", "c"]])),
            pd.DataFrame(np.zeros((N, 3)), index=[None, np.nan, "a", 1, (1, 2), pd.NaT]),
            pd.DataFrame(np.zeros((N, 3)), index=pd.date_range("2020", periods=N)),
        ]


EXOTIC = exotic()
ENTRIES = [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e39, 5e-324, -1.0, 2.0, 0.5, 256.0, 1e18]


@st.composite
def rows(draw, name: str) -> Any:
    """The rows of a view, changed in one way or another."""
    values = np.asarray(DATA[name], dtype=object if name == "group" else None)
    how = draw(
        st.sampled_from(["anything", "exotic", "array", "entries", "shape", "type", "container", "list"])
    )
    if how == "anything":
        return draw(anything())
    if how == "exotic":
        return draw(st.sampled_from(EXOTIC))
    if how == "array":
        dtype = draw(st.one_of(npst.scalar_dtypes(), st.sampled_from([np.dtype("f8"), np.dtype("f4")])))
        return draw(npst.arrays(dtype, npst.array_shapes(max_dims=4, min_side=0, max_side=6)))
    if how == "entries":
        values = values.astype(object if name == "group" else float)
        mask = np.random.default_rng(draw(st.integers(0, 99))).random(values.shape) < draw(
            st.sampled_from([0.05, 0.5, 1])
        )
        values[mask] = draw(st.sampled_from(TEXTS if name == "group" else ENTRIES))
        return values
    if how == "shape":
        return draw(reshaped(values))
    if how == "type":
        dtype = draw(st.sampled_from(DTYPES))
        try:
            return values.astype(dtype)
        except (TypeError, ValueError):
            return np.zeros(values.shape, dtype)
    if how == "container":
        return draw(held(values))
    items = list(values)
    items[draw(st.integers(0, len(items) - 1))] = draw(st.sampled_from(ANYTHING))
    return draw(st.sampled_from([items, tuple(items), Broken(items)]))


@st.composite
def reshaped(draw, values: np.ndarray) -> np.ndarray:
    ways = [
        *(
            values.T,
            values[None],
            values[..., None],
            values.ravel(),
            values[:0],
            values[:-1],
            values[0],
            values[..., :1],
        ),
        *(np.concatenate([values, values]), np.concatenate([values, values], -1), values.reshape(N, -1)),
    ]
    return ways[draw(st.integers(0, len(ways) - 1))]


@st.composite
def held(draw, values: np.ndarray) -> Any:
    """The same numbers in something else, with names of rows and columns that may be strange."""
    how = draw(
        st.sampled_from(["frame", "tensor", "set", "mapping", "iterator", "series", "masked", "sparse"])
    )
    flat = values.reshape(N, -1)
    if how == "frame":
        index = draw(
            st.lists(st.one_of(st.integers(0, 9), st.text(max_size=2), st.none()), min_size=N, max_size=N)
        )
        columns = draw(
            st.lists(
                st.sampled_from(["a", "b", "u", "v", 0, None]), min_size=flat.shape[1], max_size=flat.shape[1]
            )
        )
        return pd.DataFrame(
            flat, index=pd.Index(index, dtype=object), columns=pd.Index(columns, dtype=object)
        )
    if how == "tensor":
        return (
            torch.tensor(0)
            if values.dtype == object
            else torch.from_numpy(values.copy())[draw(st.integers(0, N)) :]
        )
    if how == "masked":
        return np.ma.masked_array(values, draw(st.booleans()))
    if how == "sparse":
        return sp.csr_array(np.zeros(flat.shape) if values.dtype == object else flat)
    if how == "series":
        return pd.Series(list(values.ravel()), name=draw(st.sampled_from(["a", None, 0])))
    return {"set": {1.0, 2.0}, "mapping": dict(enumerate(values)), "iterator": iter(values)}[how]


@st.composite
def data(draw, model: fv.FAVAE = MODEL, learn: bool = True) -> Any:
    """Data of a model, some of them changed; of some of its views alone where they are not to learn from."""
    how = draw(st.sampled_from(["views"] * 6 + ["names", "less", "no mapping"]))
    if how == "no mapping":
        return draw(anything())
    names = [name for name in DATA if name in model.views or name == model.factors.column]
    kept = names if learn else draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    good = {name: DATA[name] for name in kept}
    if how == "names":
        return good | {draw(st.sampled_from([*TEXTS, 1, None, ("table",)])): draw(st.sampled_from(ANYTHING))}
    if how == "less":
        return {name: good[name] for name in draw(st.sets(st.sampled_from(kept)))}
    changed = draw(st.lists(st.sampled_from(kept), min_size=1, max_size=2, unique=True))
    return good | {name: draw(rows(name)) for name in changed}


@st.composite
def small_problems(draw) -> tuple[fv.FAVAE, Any]:
    """A model of few views, and data for it."""
    model = draw(st.sampled_from(SMALL))
    return model, draw(data(model))


def learn(case: tuple[fv.FAVAE, Any]) -> None:
    """What is accepted can be learnt from: a pass, or a numerical error that says so."""
    model, given = case
    assert len(prepare(model, given)) <= 1000
    fv.fit(model, given, epochs=1, seed=0, progress=False, device="cpu")


FAMILIES = [Family("data", small_problems(), learn, 1.2)]
