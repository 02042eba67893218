"""What the documentation's pages show runs."""

import re
import warnings
from pathlib import Path

import pytest

from pyro_favae.models import networks

DOCS = Path(__file__).resolve().parents[2] / "docs"
NEEDS = re.compile(r"# needs: (.*)\n")
PAGES = [page for page in sorted(DOCS.glob("*.md")) if "```python" in page.read_text(encoding="utf-8")]


@pytest.mark.skipif(not PAGES, reason="docs is no part of a source distribution")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.parametrize("optional", [False, True], ids=["core", "with optional packages"])
def test_a_page_runs(page, optional, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(networks, "NETWORKS", dict(networks.NETWORKS))  # a page may register its own
    names, snippets = {}, re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if optional and not any(map(NEEDS.match, snippets)):
        pytest.skip("the page needs no optional package")
    for snippet in snippets:
        needed = NEEDS.match(snippet)
        if needed and not optional:
            continue
        for package in needed[1].split(", ") if needed else []:
            pytest.importorskip(package, reason="needs the extra 'omics'")
        with warnings.catch_warnings():
            if needed:
                warnings.simplefilter("ignore")  # MuData announces its own next version
            exec(snippet, names)
