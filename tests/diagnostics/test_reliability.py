import numpy as np
import pytest

from pyro_favae.diagnostics import calibration, expected_calibration_error
from pyro_favae.errors import DataError
from pyro_favae.experiments import quality


def test_the_bins_by_hand():
    result = calibration([0.1, 0.2, 0.5, 0.9, 1.0], [0, 1, 1, 1, 1], bins=4)
    assert result.edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert result.count.tolist() == [2, 0, 1, 2]
    np.testing.assert_allclose(result.probability, [0.15, np.nan, 0.5, 0.95])
    np.testing.assert_allclose(result.frequency, [0.5, np.nan, 1.0, 1.0])
    assert result.error == pytest.approx((2 * 0.35 + 0.5 + 2 * 0.05) / 5)


def test_calibration_error_by_hand():
    # one bin of two predictions at 0.9 with frequency 0.5, one of two at 0.1 with frequency 0
    assert expected_calibration_error([0.9, 0.9, 0.1, 0.1], [1, 0, 0, 0]) == pytest.approx((0.4 + 0.1) / 2)
    assert expected_calibration_error([0.0, 1.0], [0, 1]) == 0
    assert expected_calibration_error([[0.0], [1.0]], [[1], [0]]) == 1


def test_calibration_error_of_calibrated_probabilities_vanishes(rng):
    n, bins = 100_000, 10
    probabilities = rng.random(n)
    outcomes = rng.random(n) < probabilities
    # each bin's gap has a standard error of at most 0.5 / sqrt(n / bins)
    assert expected_calibration_error(probabilities, outcomes, bins) < 4 * 0.5 / np.sqrt(n / bins)


def test_calibration_error_refuses_what_are_no_probabilities():
    with pytest.raises(DataError, match="logits"):
        expected_calibration_error([2.0], [1])
    with pytest.raises(DataError, match="missing"):
        expected_calibration_error([np.nan], [1])
    with pytest.raises(DataError, match="shape"):
        expected_calibration_error([0.5], [1, 0])


def test_calibration_needs_outcomes_of_0_or_1():
    with pytest.raises(DataError, match="0 or 1"):
        calibration([0.5], [np.nan])
    with pytest.raises(DataError, match="at least one"):
        calibration([], [])
    with pytest.raises(DataError, match="bins"):
        calibration([0.5], [1], bins=0)


def test_the_experiments_use_the_same_measure():
    assert quality.expected_calibration_error is expected_calibration_error
