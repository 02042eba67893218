import numpy as np
import pytest
from scipy.stats import norm

import pyro_favae as fv
from pyro_favae.diagnostics import top_features
from pyro_favae.errors import SpecError

NAMES = tuple(f"gene {i}" for i in range(12))


@pytest.fixture(scope="module")
def sparse():
    """Four of twelve genes follow the one factor, in units of a hundred."""
    rng = np.random.default_rng(0)
    weights = np.zeros(12)
    weights[[2, 5, 7, 11]] = [300, -250, 200, 150]
    table = 1000 + rng.normal(size=(200, 1)) * weights + 100 * rng.normal(size=(200, 12))
    model = fv.FAVAE({"genes": fv.views.Real(NAMES, weights=fv.priors.SpikeSlab())}, 2)
    return fv.fit(model, {"genes": table}, seed=0, progress=False), weights


def test_the_largest_come_first_with_their_uncertainty(sparse):
    fit, weights = sparse
    table = top_features(fit, "genes", 0, n=5, level=0.9)
    assert list(table.index[:4]) == ["gene 2", "gene 5", "gene 7", "gene 11"]
    assert table.index.name == "feature"
    np.testing.assert_allclose(table["mean"][:4], weights[[2, 5, 7, 11]], rtol=0.2)
    np.testing.assert_allclose(norm.cdf(table["upper"], table["mean"], table["sd"]), 0.95)
    np.testing.assert_allclose(norm.cdf(table["lower"], table["mean"], table["sd"]), 0.05)
    assert (table["sign"][:4] > 0.999).all()
    assert table["sign"].between(0.5, 1).all()
    assert 3 < table["sd"].iloc[0] < 15  # 100 / √200 is 7


def test_sparse_priors_say_which_weights_are_on(sparse):
    fit, weights = sparse
    inclusion = fit.inclusion("genes")
    assert list(inclusion.index) == list(NAMES)
    assert (inclusion[0][weights != 0] > 0.99).all()
    assert (inclusion[0][weights == 0] < 0.5).all()
    table = top_features(fit, "genes", 0)
    np.testing.assert_array_equal(table["inclusion"], inclusion[0][table.index])


def test_other_priors_switch_nothing_off(fit):
    assert "inclusion" not in top_features(fit, "left", 0)
    with pytest.raises(SpecError, match="ARD"):
        fit.inclusion("left")


def test_no_more_features_than_there_are(fit):
    assert len(top_features(fit, "left", 0, n=1000)) == 30


@pytest.mark.parametrize("wrong", [{"factor": 6}, {"factor": -1}, {"n": 0}, {"level": 1.0}, {"level": 95}])
def test_what_makes_no_sense_is_refused(fit, wrong):
    with pytest.raises(SpecError, match="top_features"):
        top_features(fit, "left", **{"factor": 0} | wrong)
