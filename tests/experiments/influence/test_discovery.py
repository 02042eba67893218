import numpy as np
import pytest

from pyro_favae.experiments.influence.discovery import USED, discover
from pyro_favae.experiments.influence.generation import generation_by_share, squared_error


@pytest.fixture(scope="module")
def held_out(digits):
    return digits[1500:]


@pytest.fixture(scope="module")
def discovery(vae, held_out):
    return discover(vae, held_out)


def test_information_tells_used_factors_from_ignored_ones(discovery):
    assert 0 < discovery.used.sum() < 16
    assert discovery.separation(discovery.information.nats) > 0.95
    assert discovery.separation(discovery.information.marginal_variance) < 0.9
    np.testing.assert_array_equal(discovery.used, discovery.change > USED)


def test_change_is_that_of_the_reconstruction_without_the_factor(vae, held_out, discovery):
    factor = discovery.information.ranking[0]
    latents, _ = vae.encode(held_out)
    complete = vae.decode(latents)
    latents[:, factor] = 0
    change = np.square(vae.decode(latents) - complete).mean() / np.square(complete - held_out).mean()
    assert discovery.change[factor] == pytest.approx(change, rel=1e-5)


def test_influential_factors_come_first(discovery):
    nats = discovery.information.nats
    assert (np.diff(nats[discovery.influential]) <= 0).all()
    assert set(discovery.influential) == set(np.flatnonzero(nats > 0.1))


def test_nothing_to_separate_is_no_number(discovery):
    assert np.isnan(
        type(discovery)(discovery.means, discovery.information, np.ones(16)).separation(np.ones(16))
    )


def test_generation_keeps_information_and_loses_error(vae, held_out, discovery):
    table = generation_by_share(vae, held_out, discovery, shares=(100, 50, 10, 0))
    assert list(table["factors"]) == [16, 8, 2, 0]
    assert (np.diff(table["nats"]) < 0).all()
    assert (np.diff(table["mse"]) > 0).all()
    assert table.loc[100, "nats"] == pytest.approx(discovery.information.total)
    assert table.loc[100, "mse"] == pytest.approx(squared_error(vae.reconstruct(held_out), held_out))
    assert table.loc[0, "nats"] == 0
    assert table.loc[0, "guide"] == pytest.approx(table.loc[0, "mse"])


def test_squared_error_is_summed_over_entries_and_averaged_over_rows():
    assert squared_error(np.zeros((2, 1, 2, 2)), np.ones((2, 1, 2, 2))) == 4
