from math import ceil

import numpy as np

from pyro_favae.diagnostics import mutual_information
from pyro_favae.experiments.influence.published import TABLE_2, TABLE_3
from pyro_favae.experiments.influence.shares import SHARES, keep


def test_shares_of_128_factors_are_rounded_up(rng):
    means = rng.normal(size=(10, 128))
    information = mutual_information(means, np.ones_like(means))
    kept = [len(information.top(share / 100)) for share in SHARES]
    assert kept == [128, 26, 13, 9, 7, 6, 4, 3, 2, 0]


def test_rounded_up_each_further_factor_adds_less_in_the_papers_tables():
    for table in (TABLE_2, TABLE_3):
        kept = sorted((ceil(share * 1.28), nats) for share, (nats, _) in table.items() if share <= 10)
        factors, nats = np.array(kept).T
        # to what the tables' one decimal leaves uncertain
        added = np.diff(nats) / np.diff(factors)
        assert (np.diff(added) < 0.15).all()


def test_keeping_sets_the_others_to_zero(rng):
    latents = rng.normal(size=(3, 4))
    kept = keep(latents, np.array([2, 0]))
    np.testing.assert_array_equal(kept, latents * [1, 0, 1, 0])
    assert not keep(latents, np.array([], int)).any()
