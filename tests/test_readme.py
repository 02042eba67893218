"""What the README shows runs, and what it links to is there."""

import re
from pathlib import Path

import pytest
from matplotlib import pyplot, use

import pyro_favae as fv

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.filterwarnings("default::pyro_favae.diagnostics.SharingWarning")
def test_the_example_runs(tmp_path, monkeypatch):
    (example,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL
    )
    digits = fv.datasets.load_digits()
    names = {
        "images": digits.images[:200],
        "table": fv.datasets.digit_attributes(digits.labels[:200]),
        "new_images": digits.images[200:203],
    }
    assert "epochs=60" in example
    monkeypatch.chdir(tmp_path)
    use("Agg")
    exec(example.replace("epochs=60", "epochs=2, progress=False"), names)
    pyplot.close("all")
    assert (tmp_path / "digits.favae").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing
