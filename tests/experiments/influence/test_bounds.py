import numpy as np
import pytest

from pyro_favae.experiments.influence.bounds import least_error, recovery_guide


def test_the_guide_is_what_independent_gaussians_of_equal_information_reach():
    # x_i ~ N(0, v), z_i of I / d nats: the best error is d v exp(−2 I / d)
    nats = np.array([0.0, 1, 4])
    np.testing.assert_allclose(recovery_guide(nats, 3 * 2.0, 3), 3 * 2.0 * np.exp(-2 * nats / 3))


def test_fano_bounds_the_error_of_guessing_and_says_nothing_of_much_information():
    labels = np.repeat(np.arange(8), 5)
    assert least_error(0.0, labels) == pytest.approx(2 / 3)  # (3 − 0 − 1) / 3 bits; guessing errs in 7 / 8
    assert least_error(2 * np.log(2), labels) == 0
    np.testing.assert_array_equal(least_error([50.0, 1.5], labels), 0)


def test_fano_holds_for_a_channel_that_names_the_half_that_the_class_is_in():
    labels = np.arange(16)
    error = 1 - 1 / 8  # the best guess among the 8 of a half
    assert 0 < least_error(np.log(2), labels) <= error
