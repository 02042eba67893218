"""Results come in the order of the data set's row names."""

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.data import given_views, prepare

MODEL = fv.FAVAE({"x": fv.views.Real(4), "labels": fv.views.Bernoulli(3)}, 2)
CHUNKED = 700  # more rows than are predicted at a time
CLOSE = {
    "rtol": 1e-6,
    "atol": 1e-6,
}  # the bound of labels is iterated until all rows of a chunk have converged


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    """Two tables in different orders, most rows in both."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(CHUNKED, 2))
    names = np.array([f"row{i}" for i in range(CHUNKED)])
    x = pd.DataFrame(factors @ rng.normal(size=(2, 4)) + 0.3 * rng.normal(size=(CHUNKED, 4)), names)
    labels = pd.DataFrame((factors @ rng.normal(size=(2, 3)) > 0).astype(float), names)
    return {"x": x.sample(frac=0.9, random_state=1), "labels": labels.sample(frac=0.9, random_state=2)}


@pytest.fixture(scope="module")
def fitted(frames) -> fv.Fit:
    return fv.fit(MODEL, frames, epochs=10, seed=0, progress=False, device="cpu")


def own_rows(frames, row: str) -> dict[str, pd.DataFrame]:
    return {name: frame.loc[[row]] for name, frame in frames.items() if row in frame.index}


def test_each_row_is_what_it_is_alone(frames, fitted):
    index = prepare(MODEL, frames).index
    assert list(index) == list(given_views(MODEL, frames).index)
    assert len(index) == len(set(frames["x"].index) | set(frames["labels"].index))
    factors = fitted.transform(frames)
    predicted = fitted.predict("labels", frames)
    filled = fitted.impute(frames)
    some = [*index[:3], *index[CHUNKED // 2 : CHUNKED // 2 + 3], *index[-3:]]
    for row in some:
        place, own = index.get_loc(row), own_rows(frames, row)
        np.testing.assert_allclose(factors.mean[place], fitted.transform(own).mean[0], **CLOSE)
        np.testing.assert_allclose(predicted.mean[place], fitted.predict("labels", own).mean[0], **CLOSE)
        if row in frames["x"].index:
            np.testing.assert_allclose(filled["x"][place], frames["x"].loc[row], rtol=1e-12)


def test_one_table_keeps_its_own_order(frames, fitted):
    assert list(given_views(MODEL, {"x": frames["x"]}).index) == list(frames["x"].index)
    reversed_ = fitted.transform({"x": frames["x"][::-1]}).mean
    np.testing.assert_allclose(
        reversed_[::-1], fitted.transform({"x": frames["x"]}).mean, rtol=1e-9, atol=1e-9
    )
