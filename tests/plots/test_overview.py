import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae import plots
from tests.plots.reading import legend, y_labels

MODEL = fv.FAVAE(
    {"left": fv.views.Real(4), "face": fv.views.Image((1, 8, 8), 2), "kind": fv.views.Categorical(3)}, 2
)


@pytest.fixture
def data(rng):
    """Ten rows: six have all views, two lack the first, two all but the last; an entry is missing of one row."""
    left = rng.normal(size=(10, 4))
    left[6:] = np.nan
    left[3, 0] = np.nan
    face = rng.random((10, 1, 8, 8))
    face[8:] = np.nan
    return {"left": left, "face": face, "kind": rng.integers(3, size=10)}


def test_rows_with_the_same_views_stand_together(data, rng):
    order = rng.permutation(10)
    ax = plots.data_overview(MODEL, {name: values[order] for name, values in data.items()})
    assert list(ax.get_xticks()) == [0, 6, 8, 10]
    shades = np.asarray(ax.images[0].get_array())
    assert shades.shape == (3, 10)
    assert np.all(shades[2] == shades[2, 0])
    assert shades[0, 0] < shades[0, 5] < shades[0, 6] == 1
    assert ax.get_title() == "10 rows, 3 views; 6 have every view"


def test_what_is_missing_is_told(data):
    ax = plots.data_overview(MODEL, data)
    assert y_labels(ax) == ["left\n4 features", "face\n1 × 8 × 8", "kind\n3 classes"]
    assert [text.get_text() for text in ax.texts] == [
        "6 rows\n4.2 % of their entries missing",
        "8 rows\ncomplete",
        "10 rows\ncomplete",
    ]
    assert legend(ax) == ["all of a row's entries seen", "half of them", "row lacks the view"]


def test_complete_data_need_no_key_of_what_is_missing(rng):
    ax = plots.data_overview(fv.FAVAE({"one": fv.views.Real(1)}, 1), {"one": rng.normal(size=(1, 1))})
    assert legend(ax) == ["all of a row's entries seen"]
    assert y_labels(ax) == ["one\n1 feature"]
    assert ax.get_title() == "1 row, 1 view; 1 have every view"


def test_a_great_many_rows_are_drawn_thinned(rng):
    values = rng.normal(size=(5000, 2))
    values[::3] = np.nan
    model = fv.FAVAE({"a": fv.views.Real(2), "b": fv.views.Real(1)}, 1)
    ax = plots.data_overview(model, {"a": values, "b": rng.normal(size=5000)})
    assert ax.images[0].get_array().shape[1] <= 2000
    assert list(ax.get_xticks()) == [0, 3333, 5000]
