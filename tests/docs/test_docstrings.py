"""What docstrings show runs, and shows what it says."""

import doctest
import importlib
import pkgutil

import pytest

import pyro_favae


def modules() -> list[str]:
    found = pkgutil.walk_packages(pyro_favae.__path__, "pyro_favae.")
    return ["pyro_favae", *(module.name for module in found if not module.name.endswith("__main__"))]


EXAMPLES = [
    pytest.param(test, id=test.name)
    for name in modules()
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if test.examples
]


@pytest.mark.parametrize("test", EXAMPLES)
def test_a_docstring_runs(test):
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=report.append)
    assert not report, "".join(report)


def test_the_main_entry_points_have_examples():
    assert {"pyro_favae", "pyro_favae.models.favae.FAVAE"} <= {param.id for param in EXAMPLES}
