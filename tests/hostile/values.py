"""Values that nobody should pass, and ways of putting them where others belong."""

import datetime
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st

import pyro_favae as fv

RECURSIVE: list = [1]
RECURSIVE.append(RECURSIVE)

#: numbers that JSON can hold; those between a thousand and 10^18, which merely take long, are left out
NUMBERS = [
    *(0, 1, -1, 2, 3, 7, 10**18, -(10**18), 2**63, 2**64, 10**400, -(10**400), True, False),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -2.5, 1e-320, 1e-200, 1e200, 1.7e308, np.nan, np.inf, -np.inf),
]
TEXTS = [
    "",
    " ",
    "x",
    "abc",
    "1",
    "nan",
    "\x00",
    "\ud800",
    "naïve 🙂",
    "../x",
    "a.b",
    "a" * 5000,
    "__class__",
]
JSON = [
    None,
    *NUMBERS,
    *TEXTS,
    [],
    [1],
    [[]],
    ["a", "a"],
    ["a", 1],
    [0, -1],
    {},
    {"a": 1},
    {"kind": "views.Real"},
]
DECLARED = [
    fv.priors.ARD(),
    fv.priors.Gamma(),
    fv.priors.FixedNoise((1.0, 2.0)),
    fv.priors.Mixture(2),
    fv.priors.Grouped(("a", "b")),
    fv.views.Real(2),
    fv.views.Tabular(2, 1, hidden=(3,)),
    fv.likelihoods.Poisson(),
    fv.FAVAE({"x": fv.views.Real(2)}, 1),
]
OBJECTS = [
    *(10**5000, -(10**5000)),
    *(
        object(),
        int,
        len,
        lambda *_: None,
        Ellipsis,
        NotImplemented,
        slice(1),
        range(3),
        iter([1]),
        b"abc",
        1j,
    ),
    *(bytearray(b"a"), {1, 2}, frozenset("ab"), (), (1, 2), (1, "a"), RECURSIVE, Decimal(1), Fraction(1, 2)),
    *(datetime.date(2020, 1, 1), Path("x"), pd.NA, pd.NaT, pd.Series([1.0, 2.0]), pd.DataFrame({"a": [1.0]})),
    *(
        np.int64(2),
        np.float32(0.5),
        np.float64("nan"),
        np.bool_(True),
        np.str_("a"),
        np.datetime64("2020-01-01"),
    ),
    *(np.array(3), np.array([1, 2]), np.array([]), np.array("x"), np.array([None, "a"]), np.zeros((2, 0))),
    *(torch.tensor(1), torch.ones(2, 2), torch.tensor([]), torch.tensor(1j), torch.ones(2, device="meta")),
    *(fv.priors.ARD, fv.FAVAE, fv, *DECLARED),
]
ANYTHING = [*JSON, *OBJECTS]


def anything() -> st.SearchStrategy[Any]:
    """Any value of the pools, or text and numbers made up."""
    return st.one_of(
        st.sampled_from(ANYTHING),
        st.sampled_from(ANYTHING),
        st.text(max_size=8),
        st.one_of(st.integers(-100, 100), st.integers(min_value=2**40)),
        st.floats(),
        st.lists(st.sampled_from(JSON), max_size=3),
        st.dictionaries(st.sampled_from(TEXTS), st.sampled_from(JSON), max_size=2),
    )


def json_values() -> st.SearchStrategy[Any]:
    """Any value that JSON text may hold, as Python reads it."""
    return st.one_of(st.sampled_from(JSON), st.text(max_size=8), st.integers(), st.floats())


@st.composite
def spoilt(draw, arguments: Mapping[str, Any], values: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Good keyword arguments of which one or two are replaced."""
    names = draw(st.lists(st.sampled_from(sorted(arguments)), min_size=1, max_size=2, unique=True))
    return dict(arguments) | {name: draw(values) for name in names}
