"""The page about a fit: complete, self-contained, and harmless whatever things are called."""

import base64
import io
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

import pyro_favae as fv
from pyro_favae.errors import DataError
from pyro_favae.report import page as pieces
from pyro_favae.report.material import factors_named

matplotlib.use("Agg")

HOSTILE = "<script>alert('x')</script>"
TABLE, ANSWERS = f"table{HOSTILE}", 'answers" onload="alert(1)'
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """What a browser would make of a page: its tags, texts and pictures. Raises where tags are not closed."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.texts, self.attributes = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    @property
    def sources(self):
        return [value for name, value in self.attributes if name in ("src", "href", "srcset", "action")]

    @property
    def pictures(self):
        encoded = [
            value.split(",")[1] for value in self.sources if value.startswith("data:image/png;base64,")
        ]
        return [pyplot.imread(io.BytesIO(base64.b64decode(picture))) for picture in encoded]


@pytest.fixture(scope="module", autouse=True)
def _coarse_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "DPI", 30)
        yield


@pytest.fixture(autouse=True)
def _settings_and_figures():
    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


@pytest.fixture(scope="module")
def tables():
    """A fit of two views with names that no one should give, its data and a covariate that goes with a factor."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 1))
    numbers = shared * rng.normal(size=5) + 0.3 * rng.normal(size=(60, 5))
    answers = (shared + rng.normal(size=(60, 4)) > 0).astype(float)
    numbers[50:] = answers[:5] = np.nan
    data = {TABLE: numbers, ANSWERS: answers}
    views = {
        TABLE: fv.views.Real([f"{HOSTILE}{i} & co $" for i in range(5)]),
        ANSWERS: fv.views.Bernoulli([f"{HOSTILE}?{i}" for i in range(4)]),
    }
    fit = fv.fit(fv.FAVAE(views, 3), data, seed=0, progress=False)
    covariates = pd.DataFrame({f"group {HOSTILE}": np.where(shared[:, 0] > 0, "high", HOSTILE)})
    return fit, data, covariates


@pytest.fixture(scope="module")
def images():
    digits = fv.datasets.load_digits()
    data = {
        "digit": digits.images[:60],
        "attributes": fv.datasets.digit_attributes(digits.labels[:60]).to_numpy(float),
    }
    views = {"digit": fv.views.Image((1, 8, 8), 3), "attributes": fv.views.Bernoulli(5)}
    return fv.fit(fv.FAVAE(views, 3), data, epochs=2, batch_size=30, seed=0, progress=False), data


@pytest.fixture(scope="module")
def page_of_tables(tables, tmp_path_factory):
    fit, data, covariates = tables
    path = tmp_path_factory.mktemp("tables") / "r.html"
    return Page(fv.report(fit, path, data, covariates=covariates, title=f"A & {HOSTILE}"))


@pytest.fixture(scope="module")
def page_of_images(images, tmp_path_factory):
    return Page(fv.report(images[0], tmp_path_factory.mktemp("images") / "r.html", images[1]))


def test_a_page_of_tables(tables, page_of_tables):
    page = page_of_tables
    for section in (
        "What was declared",
        "The data",
        "How learning went",
        "What the views share",
        "Variance explained",
        "What each factor is made of",
        "The rows",
        "How good is the approximation?",
        "Are predictions right, and honest?",
        "How to cite this",
    ):
        assert page.texts.count(section) == 2  # in the contents and above the section
    assert "Images" not in page.texts
    assert f"{tables[0].elbo:,.1f}" in page.text
    assert "10 lack" in page.text
    assert "arXiv:2207.09185" in page.text
    assert "A fifth of the entries" in page.text
    assert len(page.pictures) >= 8
    assert all(picture.std() > 0 for picture in page.pictures)


def test_names_are_text_and_nothing_else(page_of_tables):
    page = page_of_tables
    assert "script" not in page.tags
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert page.texts.count(f"A & {HOSTILE}") == 2
    assert f"{TABLE} and {ANSWERS} share factor" in page.text
    assert f"group {HOSTILE}" in page.text


def test_nothing_is_loaded_from_elsewhere(page_of_tables, page_of_images):
    for page in (page_of_tables, page_of_images):
        assert page.sources
        assert all(source.startswith(("data:image/png;base64,", "#")) for source in page.sources)
        style = next(words for words in page.texts if "font:" in words)
        assert "url(" not in style
        assert "@import" not in style
        assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in page.attributes
        anchors = {value for name, value in page.attributes if name == "id"}
        assert {source[1:] for source in page.sources if source.startswith("#")} == anchors


def test_a_page_of_images(page_of_images):
    assert "Images" in page_of_images.texts
    assert "Images of the data" in page_of_images.text
    assert "drawn from the model's prior" in page_of_images.text
    assert "More passes may still change" in page_of_images.text  # ended by its number of passes


def test_without_data_there_is_what_needs_none(tables, images, tmp_path):
    page = Page(fv.report(tables[0], tmp_path / "r.html"))
    assert "What each factor is made of" in page.texts
    assert "The data" not in page.texts
    assert "Variance explained" not in page.texts
    page = Page(fv.report(images[0], tmp_path / "r.html"))
    assert "drawn from the model's prior" in page.text
    assert "Images of the data" not in page.text


def test_one_view_that_has_no_factors(rng, tmp_path):
    data = {"noise": rng.normal(size=(100, 30))}
    fit = fv.fit(fv.FAVAE({"noise": fv.views.Real(30)}, 1), data, seed=0, progress=False)
    page = Page(fv.report(fit, tmp_path / "r.html", data))
    assert "No view uses factor 0." in page.text
    assert "What each factor is made of" not in page.texts


def test_views_that_share_nothing_are_pointed_out(rng, tmp_path):
    parts = {name: rng.normal(size=(80, 1)) + 0.3 * rng.normal(size=(80, 8)) for name in "ab"}
    views = {name: fv.views.Real(8) for name in parts}
    fit = fv.fit(fv.FAVAE(views, 2), parts, seed=0, progress=False)
    page = Page(fv.report(fit, tmp_path / "r.html"))
    assert "No factor links view 'a', 'b' to another view" in page.text
    assert "a alone uses factor" in page.text


def test_a_fit_without_history_says_so(tables, tmp_path):
    fit = fv.remove_view(tables[0], ANSWERS)
    assert "No history" in Page(fv.report(fit, tmp_path / "r.html")).text


def test_the_old_file_stays_until_the_new_one_is_complete(tables, tmp_path):
    path = tmp_path / "r.html"
    path.write_text("old")
    with pytest.raises(DataError, match="unknown view"):
        fv.report(tables[0], path, {"nonsense": np.ones((3, 2))})
    assert path.read_text() == "old"
    assert fv.report(tables[0], str(path)) == path
    assert path.read_text() != "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_refused_at_once(tables, tmp_path):
    data = {"would fail": "later"}
    with pytest.raises(FileNotFoundError, match="no folder .*absent.* create it first"):
        fv.report(tables[0], tmp_path / "absent" / "r.html", data)
    with pytest.raises(IsADirectoryError, match="is a folder, expected the name of a file"):
        fv.report(tables[0], tmp_path, data)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([3], "factor 3"), ([0, 2], "factors 0 and 2"), ([0, 1, 2, 5, 6], "factors 0 to 2, 5 and 6")],
)
def test_factors_in_words(numbers, words):
    assert factors_named(numbers) == words
