"""The reference lists every public name space, and the maths page says what each symbol is called."""

import re
import types
from pathlib import Path

import pytest

import pyro_favae as fv

DOCS = Path(__file__).resolve().parents[2] / "docs"
SPACES = [
    value for value in (getattr(fv, name) for name in fv.__all__) if isinstance(value, types.ModuleType)
]

pytestmark = pytest.mark.skipif(
    not (DOCS / "reference.md").exists(), reason="docs is no part of a source distribution"
)


def test_the_reference_has_every_public_name_space():
    listed = re.findall(r"automodule:: (\S+)", (DOCS / "reference.md").read_text(encoding="utf-8"))
    assert set(listed) == {"pyro_favae", *(space.__name__ for space in SPACES)}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_begins_with_its_title(page):
    assert page.read_text(encoding="utf-8").startswith("# ")


def test_symbols_of_the_maths_page_have_names_in_the_code():
    page = (DOCS / "model.md").read_text(encoding="utf-8")
    assert "| symbol | meaning | name in code |" in page
    source = "".join(
        path.read_text(encoding="utf-8") for path in Path(fv.__file__).parent.glob("models/**/*.py")
    )
    table = page.partition("| symbol |")[2].partition("\n\n")[0]
    names = re.findall(r"`(\w+)`", table)
    assert len(names) > 10
    assert [name for name in names if name not in source] == []
