import warnings

import numpy as np
import pandas as pd
import pytest

from pyro_favae.diagnostics import SharingWarning, sharing, variance_explained
from pyro_favae.diagnostics.implied_variance import implied_shares
from pyro_favae.errors import SpecError
from pyro_favae.inference.activity import determination
from tests.diagnostics import simulated


def test_it_recovers_the_true_pattern(fit):
    table = sharing(fit)
    assert table.index.name == "factor"
    assert sorted(table["kind"]) == ["off"] * 3 + ["private"] * 2 + ["shared"]
    used = table[table["kind"] != "off"]
    assert set(used["views"]) == {("left", "right"), ("left",), ("right",)}
    assert set(table.loc[table["kind"] == "off", "views"]) == {()}


def test_it_agrees_with_what_the_fit_calls_active(fit):
    table = sharing(fit)
    for name in fit.posterior.names:
        assert [name in views for views in table["views"]] == list(fit.active.loc[name])
    assert table["left.determination"].to_numpy() == pytest.approx(determination(fit.posterior)[0].numpy())


def test_views_that_share_nothing_are_named(rng):
    factors = rng.normal(size=(300, 2))
    data = {
        name: factors[:, [k]] * rng.normal(size=30) + 0.5 * rng.normal(size=(300, 30))
        for k, name in enumerate(["here", "there"])
    }
    fit = simulated.fit(data, 4)
    with pytest.warns(SharingWarning, match="'here', 'there'") as caught:
        table = sharing(fit)
    assert caught[0].filename == __file__
    assert sorted(table["kind"]) == ["off", "off", "private", "private"]


def test_a_single_view_has_nobody_to_share_with(simulation):
    fit = simulated.fit({"left": simulation.data["left"]}, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sorted(sharing(fit)["kind"]) == ["off", "private", "private"]


def test_roles_have_probabilities(fit):
    table = sharing(fit)
    np.testing.assert_allclose(table[["p_shared", "p_private", "p_off"]].sum(axis=1), 1)
    for kind in ("shared", "private", "off"):
        assert (table.loc[table["kind"] == kind, f"p_{kind}"] > 0.99).all()
    pd.testing.assert_frame_equal(table, sharing(fit))


def test_a_factor_matters_only_above_the_threshold(fit, simulation):
    """Each true factor explains a third or so of its views: surely more than a tenth, surely less than 0.9."""
    assert (sharing(fit, threshold=0.9)["p_off"] > 0.99).all()
    found = sharing(fit, threshold=0.1)
    assert (found["p_off"] < 0.01).sum() == 3
    explained = variance_explained(fit, simulation.data)
    for name in fit.posterior.names:
        shares = implied_shares(fit, name, 500)
        np.testing.assert_allclose(shares.mean(0), explained.loc[name], atol=0.04)
        middle = float(shares[:, 0].median())
        assert sharing(fit, middle, draws=2000, seed=1)[f"{name}.probability"][0] == pytest.approx(
            0.5, abs=0.06
        )


def test_implied_shares_follow_the_uncertainty_of_weights(rng):
    """Fewer rows leave a small factor's role open; draws have the moments that q(W) gives."""
    factors = rng.normal(size=(40, 2)) * [1, 0.12]
    table = factors @ rng.normal(size=(2, 8)) + 0.5 * rng.normal(size=(40, 8))
    fit = simulated.fit({"table": table}, 2)
    shares = implied_shares(fit, "table", 4000)
    q = fit.posterior.view("table")
    noise = float(q.noise.mean_inverse.sum()) * 8
    ratio = shares / (1 - shares.sum(1, keepdim=True)) * noise  # Σ_d w_dk² of each draw
    error = ratio.std(0) / 4000**0.5
    assert ((ratio.mean(0) - q.squares).abs() < 4 * error).all()


def test_the_threshold_is_a_share(fit):
    with pytest.raises(SpecError, match="threshold is 1"):
        sharing(fit, threshold=1)
