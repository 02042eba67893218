import numpy as np

import pyro_favae as fv
from pyro_favae.diagnostics import influence, summary, total_variance_explained
from tests.diagnostics.simulated import MISSING


def test_one_row_a_view(fit, simulation):
    table = summary(fit, simulation.data)
    assert list(table.index) == ["left", "right"]
    assert list(table["kind"]) == ["Real", "Real"]
    assert list(table["rows"]) == [700, 700 - MISSING]
    assert (table[["shared", "private"]] == 1).all(axis=None)
    for scale in ("latent", "data"):
        np.testing.assert_allclose(table[scale], total_variance_explained(fit, simulation.data, scale=scale))
    assert table["influence"].isna().all()


def test_encoders_have_influence(rng):
    data = {"image": rng.random((60, 1, 4, 4)), "table": rng.normal(size=(60, 3))}
    views = {"image": fv.views.Image((1, 4, 4), 2, "dense"), "table": fv.views.Real(3)}
    fit = fv.fit(fv.FAVAE(views, 2), data, epochs=2, seed=0, progress=False)
    assert summary(fit, data).loc["image", "influence"] == influence(fit, "image", data["image"]).total
