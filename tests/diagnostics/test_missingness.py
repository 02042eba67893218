import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.errors import DataError

MODEL = fv.FAVAE({"table": fv.views.Real(4), "steps": fv.views.Sequence(3, 1, 2)}, 1)


def test_share_of_each_row():
    table = pd.DataFrame(np.ones((3, 4)), index=list("abc"))
    table.loc["a", [0, 1]] = np.nan
    table.loc["b"] = np.nan
    missing = fv.diagnostics.missingness(MODEL, {"table": table})
    assert list(missing.index) == list("abc")
    assert missing["table"].tolist() == [0.5, 1, 0]
    assert missing["steps"].tolist() == [1, 1, 1]


def test_the_end_of_a_short_sequence_counts_as_missing():
    data = {"table": np.ones((2, 4)), "steps": [np.ones((3, 1)), np.ones((2, 1))]}
    np.testing.assert_allclose(fv.diagnostics.missingness(MODEL, data)["steps"], [0, 1 / 3])


def test_of_a_fit_as_of_its_declaration(rng):
    data = {"table": rng.normal(size=(700, 4))}  # more than are looked at at a time
    data["table"][rng.random((700, 4)) < 0.3] = np.nan
    model = fv.FAVAE({"table": fv.views.Real(4)}, 1)
    fit = fv.fit(model, data, epochs=2, seed=0, progress=False)
    expected = np.isnan(data["table"]).mean(1)
    for known in (model, fit):
        np.testing.assert_allclose(fv.diagnostics.missingness(known, data)["table"], expected)


def test_an_unknown_view_is_named():
    with pytest.raises(DataError, match="unknown view 'tabel'"):
        fv.diagnostics.missingness(MODEL, {"tabel": np.ones((2, 4))})
