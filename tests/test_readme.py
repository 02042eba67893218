"""What the README shows runs, and what it links to is there."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot, use

import pyro_favae as fv

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.filterwarnings("default::pyro_favae.diagnostics.SharingWarning")
def test_the_examples_run(tmp_path, monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    whole, apart, read = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
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
    names |= _tables(np.random.default_rng(0))
    exec(read, names)
    pyplot.close("all")
    assert (tmp_path / "digits.favae").is_file()
    assert (tmp_path / "fit.html").is_file()


def _tables(rng):
    """A small fit of two tables, and what the README reads it with."""
    factors = rng.normal(size=(60, 2))
    tables = {
        "drugs": factors @ rng.normal(size=(2, 5)) + 0.5 * rng.normal(size=(60, 5)),
        "genes": factors @ rng.normal(size=(2, 4)) + 0.5 * rng.normal(size=(60, 4)),
    }
    hidden = {name: np.where(rng.random(table.shape) < 0.1, np.nan, table) for name, table in tables.items()}
    model = fv.FAVAE({"drugs": fv.views.Real(5), "genes": fv.views.Real(4)}, 2)
    return {
        "fit": fv.fit(model, hidden, seed=0, progress=False),
        "tables": tables,
        "with_entries_hidden": hidden,
        "covariates": pd.DataFrame({"age": rng.normal(size=60)}),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing
