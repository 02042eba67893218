"""What the README shows runs, and what it links to is there."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot, use

import pyro_favae as fv

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.filterwarnings("default::pyro_favae.diagnostics.SharingWarning")
def test_the_examples_run(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    whole, apart = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    digits = fv.datasets.load_digits()
    names = {
        "images": digits.images[:200],
        "table": fv.datasets.digit_attributes(digits.labels[:200]),
        "new_images": digits.images[200:203],
    }
    names["data"] = {"digit": names["images"], "attributes": names["table"], "writer": np.arange(200) % 40}
    names["new_data"] = {name: values[:50] for name, values in names["data"].items()}
    monkeypatch.chdir(tmp_path)
    use("Agg")
    for example, epochs in ((whole, "epochs=60"), (apart, "epochs=50")):
        assert epochs in example
        exec(example.replace(epochs, "epochs=2, progress=False"), names)
    pyplot.close("all")
    assert (tmp_path / "digits.favae").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing
