"""How Sphinx builds these pages: `make docs`."""

import re
import shutil
from pathlib import Path
from typing import Any

import pyro_favae

HERE = Path(__file__).parent

project = "pyro_favae"
author = "the authors of pyro_favae"
release = version = pyro_favae.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"page_width": "70em", "description": pyro_favae.__doc__.splitlines()[0]}
html_copy_source = False

napoleon_use_rtype = False  # a "Returns" here is prose
nb_execution_mode = "off"  # `make notebooks` executes them
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88


def copy_notebooks() -> None:
    """Sphinx reads what lies in its own folder alone."""
    target = HERE / "notebooks"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, target)


LITERAL = re.compile(r"(``.*?``|:[\w:]+:`.*?`)")


def escape(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Stars, bars and final underscores in docstrings are themselves: ``*event``, ``|x|``, ``globals_``."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith((">>>", "...")):
            continue
        parts = LITERAL.split(line)
        parts[::2] = [re.sub(r"([*|]|_(?!\w))", r"\\\1", part) for part in parts[::2]]
        lines[i] = "".join(parts)


def relink(app: Any, name: str, source: list[str]) -> None:
    """Links between pages and notebooks as they are in the repository, to where they lie here."""
    away, here = (
        ("](../docs/", "](../") if name.startswith("notebooks/") else ("](../notebooks/", "](notebooks/")
    )
    source[0] = source[0].replace(away, here)


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Methods that scikit-learn adds to its estimators are described there."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app: Any) -> None:
    """Called by Sphinx."""
    copy_notebooks()
    app.connect("source-read", relink)
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-docstring", escape, priority=400)  # before napoleon, which writes markup
