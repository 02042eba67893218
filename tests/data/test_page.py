"""What docs/data.md shows runs."""

import re
import warnings
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
NEEDS = re.compile(r"# needs: (.*)\n")


@pytest.mark.skipif(not PAGE.is_file(), reason=f"{PAGE.name} is no part of a source distribution")
@pytest.mark.parametrize("optional", [False, True], ids=["core", "with optional packages"])
def test_the_page_runs(optional):
    names = {}
    for snippet in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        needed = NEEDS.match(snippet)
        if needed and not optional:
            continue
        for package in needed[1].split(", ") if needed else []:
            pytest.importorskip(package, reason="needs the extra 'omics'")
        with warnings.catch_warnings():
            if needed:
                warnings.simplefilter("ignore")  # MuData announces its own next version
            exec(snippet, names)
