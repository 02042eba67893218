import numpy as np
import pytest

from pyro_favae import diagnostics, plots
from pyro_favae.errors import DataError
from tests.plots.reading import legend


def test_calibration_draws_the_filled_bins(rng):
    probabilities = rng.random(500) * 0.45
    outcomes = rng.random(500) < probabilities
    ax = plots.calibration(probabilities, outcomes)
    expected = diagnostics.calibration(probabilities, outcomes)
    line = ax.containers[-1].lines[0]
    np.testing.assert_allclose(line.get_xdata(), expected.probability[:5])
    np.testing.assert_allclose(line.get_ydata(), expected.frequency[:5])
    assert [bar.get_height() > 0 for bar in ax.patches] == [True] * 5 + [False] * 5
    assert f"{expected.error:.3f}" in ax.get_title()
    assert "calibrated" in legend(ax)


def test_intervals_stay_in_range_and_narrow_with_the_number_of_predictions():
    few = plots.calibration([0.95] * 4, [1] * 4)
    many = plots.calibration([0.95] * 400, [1] * 400)
    lengths = []
    for ax in (few, many):
        ((low, high),) = ax.containers[-1].lines[2][0].get_segments()
        assert high[1] == pytest.approx(1)
        lengths.append(high[1] - low[1])
    # Wilson's interval at frequency 1: z² / (n + z²) long
    np.testing.assert_allclose(lengths, [1.96**2 / (4 + 1.96**2), 1.96**2 / (400 + 1.96**2)])


def test_calibration_passes_on_what_is_wrong():
    with pytest.raises(DataError, match="logits"):
        plots.calibration([3.0], [1])
