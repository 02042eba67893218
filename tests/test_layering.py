"""Imports go downwards only."""

import ast
from pathlib import Path

import pytest

import pyro_favae

PACKAGE = Path(pyro_favae.__file__).parent
ROOT = "__init__"  # the public names

# Ground up. Units on one floor do not import one another.
FLOORS = [
    {"errors"},
    {"datasets"},
    {"models"},
    {"data"},
    {"inference"},
    {"results"},
    {"fitting"},
    {"diagnostics"},
    {"plots"},
    {"report", "exports"},
    {ROOT},
    {"experiments"},
    {"cli"},
    {"__main__"},
]
FLOOR = {unit: height for height, units in enumerate(FLOORS) for unit in units}


def unit(module: str) -> str:
    """The part of the package a dotted module name belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ROOT


def imported(source: str, module: str, is_package: bool) -> set[str]:
    """The dotted names of the package that a module imports, wherever in the file it does so."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            # `from pyro_favae import x` names a unit, or else one of the public names
            names |= {f"{base}.{alias.name}" if base == "pyro_favae" else base for alias in node.names}
    return {name for name in names if name.split(".")[0] == "pyro_favae"}


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    """The imports of a module that do not go down, as readable lines."""
    own = unit(module)
    found = []
    for name in sorted(imported(source, module, is_package)):
        # a public name imported from the package itself
        target = unit(name) if unit(name) in FLOOR else ROOT
        if target != own and FLOOR[target] >= FLOOR[own]:
            found.append(f"{module} imports {name}: {own} may not stand on {target}")
    return found


def modules() -> list[tuple[str, Path]]:
    """Every module of the package, with its dotted name."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return names


@pytest.mark.parametrize(
    ("module", "path"), modules(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_imports_go_downwards_only(module, path):
    assert unit(module) in FLOOR, f"give {unit(module)} a floor"
    assert not violations(path.read_text(), module, path.name == "__init__.py")


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from pyro_favae.inference.updates import factors", "pyro_favae.models.favae"),
        ("import pyro_favae.inference.updates", "pyro_favae.models.favae"),
        ("from pyro_favae import inference", "pyro_favae.models.favae"),
        ("from ..inference import updates", "pyro_favae.models.favae"),
        ("from .. import inference", "pyro_favae.models.favae"),
        ("def late():\n    from pyro_favae.fitting import fit", "pyro_favae.results.fit"),
        ("from pyro_favae import fit", "pyro_favae.results.fit"),
        ("import pyro_favae as fv", "pyro_favae.plots.weights"),
        ("from pyro_favae.report import report", "pyro_favae.exports"),
    ],
)
def test_an_import_upwards_is_found(source, module):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("source", "module"),
    [
        (
            "from pyro_favae.models import favae\nfrom pyro_favae.errors import DataError",
            "pyro_favae.inference.guide",
        ),
        ("from . import updates\nfrom .updates import factors", "pyro_favae.inference.guide"),
        ("from ..models import favae", "pyro_favae.inference.guide"),
        ("import pyro_favae as fv", "pyro_favae.cli"),
        ("import pyro\nimport torch", "pyro_favae.models.favae"),
    ],
)
def test_an_import_downwards_or_sideways_within_a_unit_is_allowed(source, module):
    assert violations(source, module) == []


def test_a_package_resolves_relative_imports_from_itself():
    assert violations("from .favae import FAVAE", "pyro_favae.models", is_package=True) == []
    assert len(violations("from ..inference import fit", "pyro_favae.models", is_package=True)) == 1
