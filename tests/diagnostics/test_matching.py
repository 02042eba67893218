from copy import deepcopy

import numpy as np
import pytest
import torch

from pyro_favae.diagnostics import match_factors
from pyro_favae.errors import DataError
from pyro_favae.results import Fit
from tests.diagnostics import simulated

ORDER, SIGNS = [3, 0, 5, 1, 4, 2], [1, -1, -1, 1, 1, -1]


def rearranged(fit):
    """The same fit with its factors in another order, some turned round."""
    other = Fit(deepcopy(fit.guide), fit.history, fit.ended_by)
    change = torch.zeros(7, 7, dtype=torch.float64)
    change[-1, -1] = 1.0
    for new, (old, sign) in enumerate(zip(ORDER, SIGNS, strict=True)):
        change[new, old] = sign
    other.posterior.transform(change)
    return other


def test_a_permutation_and_signs_are_found_exactly(fit, simulation):
    matched = match_factors(fit, rearranged(fit), simulation.data)
    used = fit.active.any()
    assert used.sum() == 3
    for factor, row in matched[used].iterrows():
        assert ORDER[row["match"]] == factor
        assert row["sign"] == SIGNS[row["match"]]
        assert row["correlation"] == pytest.approx(1, abs=1e-9)
        assert row["views"] == row["match_views"] != ()
    assert matched["agree"].all()
    assert sorted(matched["match"]) == list(range(6))


def test_fewer_factors_leave_some_without_a_match(fit, simulation):
    fewer = simulated.fit(simulation.data, 2)
    matched = match_factors(fit, fewer, simulation.data)
    assert matched["match"].notna().sum() == 2
    assert set(matched.loc[matched["match"].isna(), "match_views"]) == {()}
    assert (matched["correlation"].dropna() > 0.5).all()
    assert match_factors(fewer, fit, simulation.data)["match"].notna().all()


def test_a_fit_of_fewer_views_reads_its_own(fit, simulation):
    left = simulated.fit({"left": simulation.data["left"]}, 3)
    matched = match_factors(fit, left, simulation.data)
    found = matched[[("left" in views) for views in matched["views"]]]
    assert (found["correlation"] > 0.6).all()  # a view alone does not tell its factors from rotated ones


def test_one_row_has_no_correlation(fit, simulation):
    with pytest.raises(DataError, match="at least two"):
        match_factors(fit, fit, {name: values[:1] for name, values in simulation.data.items()})


def test_correlations_are_those_of_the_means(fit, simulation):
    fewer = simulated.fit(simulation.data, 2)
    matched = match_factors(fit, fewer, simulation.data)
    a, b = (one.transform(simulation.data).mean for one in (fit, fewer))
    for factor, row in matched.dropna().iterrows():
        expected = np.corrcoef(a[:, factor], b[:, row["match"]])[0, 1]
        assert row["sign"] * row["correlation"] == pytest.approx(expected)
