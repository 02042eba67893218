import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae import diagnostics, plots
from pyro_favae.errors import SpecError
from tests.plots.reading import y_labels


@pytest.fixture(scope="module")
def named(rng_of_module):
    """One factor that raises half of the features and lowers the others."""
    factor = rng_of_module.normal(size=(60, 1))
    values = factor * [3, -2, 1.5, -1] + 0.3 * rng_of_module.normal(size=(60, 4))
    view = fv.views.Real(["up", "down", "rather up", "rather down"])
    return fv.fit(fv.FAVAE({"table": view}, 1), {"table": values}, seed=0, progress=False)


def test_the_largest_weights_come_first_with_their_intervals(named):
    ax = plots.top_features(named, "table", 0, n=3)
    table = diagnostics.top_features(named, "table", 0, n=3)
    assert y_labels(ax) == ["up", "down", "rather up"] == list(table.index)
    zero, *marks = ax.lines
    assert list(zero.get_xdata()) == [0, 0]
    for (_, row), bar, dot in zip(table.iterrows(), marks[::2], marks[1::2], strict=True):
        np.testing.assert_allclose(bar.get_xdata(), [row["lower"], row["upper"]])
        np.testing.assert_allclose(dot.get_xdata(), row["mean"])
    low, high = ax.get_ylim()
    assert low > 2 > 0 > high  # the first on top


def test_negative_weights_are_open(named):
    ax = plots.top_features(named, "table", 0)
    assert [dot.get_markerfacecolor() for dot in ax.lines[2::2]] == ["black", "white", "black", "white"]


def test_numbered_features_carry_the_name_of_their_view(real):
    assert all(name.startswith("left ") for name in y_labels(plots.top_features(real, "left", 0, n=2)))


def test_a_factor_that_does_not_exist_is_refused(real):
    with pytest.raises(SpecError, match="does not exist"):
        plots.top_features(real, "left", 99)
