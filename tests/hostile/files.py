"""Saved fits, damaged."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import pyro_favae as fv
from tests.hostile.declarations import changed
from tests.hostile.family import Family
from tests.hostile.settings import ALONE, LEARNT
from tests.hostile.values import anything, json_values


@functools.cache
def saved() -> tuple[bytes, bytes]:
    """A fit and networks, as files hold them."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder, "fit"), Path(folder, "networks")
        LEARNT.save(paths[0])
        ALONE.save(paths[1])
        return paths[0].read_bytes(), paths[1].read_bytes()


def parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and tensors: safetensors begins with the header's length in eight bytes."""
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def whole(header: Any, tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + tensors


@st.composite
def damaged(draw) -> bytes:
    """Bytes of a file: cut, changed, lengthened, or whole with another header."""
    content = draw(st.sampled_from(saved()))
    header, tensors = parts(content)
    how = draw(st.sampled_from(["cut", "byte", "longer", "header", "text", "text", "declaration", "foreign"]))
    place = draw(st.integers(0, len(content) - len(tensors) + 50))
    if how == "cut":
        return content[:place]
    if how == "byte":
        return content[:place] + draw(st.binary(min_size=1, max_size=3)) + content[place + 1 :]
    if how == "longer":
        return content + draw(st.binary(min_size=1, max_size=9))
    if how == "foreign":
        return draw(st.binary(max_size=100))
    if how == "header":
        return whole(draw(changed(header)), tensors)
    about = header["__metadata__"]
    if how == "declaration":
        about = about | {"declaration": json.dumps(draw(changed(json.loads(about["declaration"]))))}
    else:
        key = draw(st.sampled_from(sorted(about)))
        about = about | {key: draw(st.one_of(st.text(max_size=5), json_values().map(json.dumps)))}
    return whole(header | {"__metadata__": about}, tensors)


def load(content: bytes) -> None:
    """What is loaded as a fit says what it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        kept = [read(path) for read in (fv.load, fv.load_pretrained) if _own(content, read)]
    assert all(map(repr, kept))


def _own(content: bytes, read: Any) -> bool:
    return (read is fv.load) == (b'"ended_by"' in content)


def path_as(case: Any) -> None:
    fv.load(case)


FAMILIES = [
    Family("files", damaged(), load),
    Family("paths", anything(), path_as, 0.1),
]
