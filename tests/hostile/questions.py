"""Questions to a fit that have no answer."""

import functools
from typing import Any

from hypothesis import strategies as st

import pyro_favae as fv
from tests.hostile.family import Family
from tests.hostile.tables import DATA, MODEL, data, rows
from tests.hostile.values import anything

FACES = {name: DATA[name] for name in ("image", "labels")}
GOOD: dict[str, dict[str, Any]] = {
    "transform": {"given": FACES},
    "predict": {"view": "table", "given": FACES, "n_draws": 1, "seed": 0},
    "generate": {"view": "image", "given": FACES, "n": 1, "seed": 0, "expected": True},
    "log_density": {"view": "table", "data": DATA["table"], "given": FACES, "n_draws": 2, "seed": 0},
    "reconstruct": {"view": "image", "data": DATA["image"]},
    "edit": {"view": "image", "data": DATA["image"], "attributes": {"a": 1}},
    "interpolate": {
        "view": "image",
        "start": DATA["image"],
        "end": DATA["image"],
        "steps": 2,
        "space": "shared",
    },
    "traverse": {"view": "image", "data": DATA["image"], "factor": 0, "steps": 2, "span": 1.0},
    "impute": {"data": DATA},
    "weights": {"view": "table"},
    "weight_table": {"view": "table"},
    "pretrained": {"view": "image"},
}


@functools.cache
def fitted() -> fv.Fit:
    return fv.fit(MODEL, DATA, epochs=1, seed=0, progress=False, device="cpu")


@st.composite
def questions(draw) -> tuple[str, dict[str, Any]]:
    """A method of a fit and its arguments, one of them at least spoilt."""
    method = draw(st.sampled_from(sorted(GOOD)))
    arguments = dict(GOOD[method])
    for name in draw(st.lists(st.sampled_from(sorted(arguments)), min_size=1, max_size=2, unique=True)):
        arguments[name] = draw(spoilt_argument(name, GOOD[method].get("view")))
    return method, arguments


def spoilt_argument(name: str, view: str | None) -> st.SearchStrategy[Any]:
    other_views = st.sampled_from([*MODEL.views, "group", ["image", "labels"], ["image", 1], []])
    special = {
        "given": data(learn=False),
        "view": other_views,
        "attributes": st.dictionaries(st.sampled_from(["a", "b", "u", 0]), anything(), max_size=2),
        "data": rows(view) if view else data(),
        "start": rows("image"),
        "end": rows("image"),
    }
    return st.one_of(special[name], special[name], anything()) if name in special else anything()


def ask(case: tuple[str, dict[str, Any]]) -> None:
    method, arguments = case
    getattr(fitted(), method)(**arguments)


FAMILIES = [Family("questions", questions(), ask, 1.6)]
