import warnings

import pytest

from pyro_favae.diagnostics import SharingWarning, sharing
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
