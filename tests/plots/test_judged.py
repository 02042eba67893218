"""Pictures of how good a fit is: Pareto shapes, ranks, coverage."""

import numpy as np
import pandas as pd
import pytest

from pyro_favae import plots
from pyro_favae.errors import DataError
from tests.plots.judged import psis_of, table_of_coverage, uniform_ranks
from tests.plots.reading import legend


def test_rows_above_the_threshold_are_told_apart_and_named():
    k = np.full(40, 0.2)
    k[[3, 16, 17]] = 0.8, 0.7, 1.3  # two of them side by side
    ax = plots.psis(psis_of(k))
    assert legend(ax) == ["37 good", "3 too large"]
    good, bad = ax.collections
    assert len(good.get_offsets()) == 37
    np.testing.assert_allclose(bad.get_offsets(), [[3, 0.8], [16, 0.7], [17, 1.3]])
    assert {text.get_text() for text in ax.texts} == {"row 3", "row 17"}
    assert [line.get_ydata()[0] for line in ax.lines] == [0.67, 1]
    assert ax.get_ylim()[1] > 1.3
    assert "globals 0.30, everything 1.40" in ax.get_title()


def test_one_kind_of_row_needs_one_mark():
    assert legend(plots.psis(psis_of(np.array([-0.2, 0.1])))) == ["2 good"]
    assert legend(plots.psis(psis_of(np.array([0.9])))) == ["1 too large"]


def test_rank_histogram_counts_and_says_what_it_sees():
    result = uniform_ranks()
    ax = plots.rank_histogram(result, "flat")
    assert sum(bar.get_height() for bar in ax.patches[-result.bins :]) == 160
    assert ax.get_title().startswith("flat: uniform")
    worst = plots.rank_histogram(result)
    assert worst.get_title().startswith("hump: too wide")
    heights = [bar.get_height() for bar in worst.patches[-result.bins :]]
    assert heights[0] == heights[-1] == 0


def test_a_quantity_that_was_not_ranked_is_refused():
    with pytest.raises(DataError, match="no quantity 'nonsense', expected one of"):
        plots.rank_histogram(uniform_ranks(), "nonsense")


def test_coverage_by_view_with_two_standard_errors():
    ax = plots.coverage(table_of_coverage())
    assert legend(ax) == ["as promised", "left", "right"]
    right = ax.containers[1]
    np.testing.assert_allclose(right.lines[0].get_xdata(), [0.5, 0.9], atol=0.01)
    np.testing.assert_allclose(right.lines[0].get_ydata(), [0.42, 0.8])
    ((low, high), _) = right.lines[2][0].get_segments()
    np.testing.assert_allclose([low[1], high[1]], [0.4, 0.44])
    assert ax.get_title() == "Coverage, at most 10.0 points from its level"


def test_another_table_is_no_coverage():
    with pytest.raises(DataError, match="expected that of diagnostics.coverage"):
        plots.coverage(pd.DataFrame({"coverage": [0.5]}))
