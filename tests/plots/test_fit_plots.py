"""Pictures of the fit itself: bound, weights, variance explained, sharing, factors."""

import numpy as np
import pandas as pd
import pytest

from pyro_favae import diagnostics, plots
from pyro_favae.errors import DataError
from tests.diagnostics import simulated
from tests.plots.reading import legend, x_labels, y_labels


def test_bound_of_a_closed_form_fit(real):
    ax = plots.bound(real)
    names = legend(ax)
    assert names == ["bound", "left: latents", "right: latents", "factors", "weights, noise"]
    curve = ax.lines[0]
    assert len(curve.get_xdata()) == len(real.history)
    assert curve.get_ydata()[-1] == 0
    total = sum(line.get_ydata() for line in ax.lines[1 : len(names)])
    np.testing.assert_allclose(total, curve.get_ydata(), atol=1e-6)
    assert f"{real.elbo:,.1f}" in ax.get_title()


def test_bound_marks_what_is_tempered_and_what_is_settled(digits):
    ax = plots.bound(digits.fit)
    names = legend(ax)
    assert "objective, tempered by β" in names
    assert "weights, noise, components" in names
    warmed, settled = ax.patches
    stages = digits.fit.history["stage"]
    assert warmed.get_x() == -0.5
    assert warmed.get_width() == (stages == "warm-up").sum()
    assert settled.get_x() == stages[stages == "settle"].index[0] - 0.5
    assert settled.get_width() == (stages == "settle").sum()


def test_bound_is_readable_however_low_it_starts(real):
    first = real.history["elbo"].iloc[0] - real.elbo
    low, high = plots.bound(real).get_ylim()
    assert first < low
    assert low < 0 < high


def test_weights_of_one_view(real):
    ax = plots.weights(real, "right")
    active = np.flatnonzero(real.active.loc["right"])
    assert x_labels(ax) == list(map(str, active))
    assert y_labels(ax) == [f"right {i}" for i in range(20)]
    picture = ax.images[0]
    np.testing.assert_allclose(picture.get_array(), real.weights("right")[:, active])
    low, high = picture.get_clim()
    assert low == -high == -np.abs(picture.get_array()).max()


def test_negative_weights_are_hatched(real):
    ax = plots.weights(real, "right")
    values = np.asarray(ax.images[0].get_array())
    (hatched,) = ax.collections
    assert hatched.get_hatch()
    assert hatched.get_array().count() == (values < -0.1 * np.abs(values).max()).sum() > 0


def test_weights_of_all_views_are_each_relative_to_their_largest(real):
    ax = plots.weights(real)
    values = np.abs(ax.images[0].get_array())
    assert values.shape == (50, 3)
    assert values[:30].max() == values[30:].max() == 1
    assert len(ax.lines) == 1  # between the views


def test_many_features_are_named_sparsely_and_views_are_told_apart(digits, rng):
    ax = plots.weights(digits.fit)
    assert "attributes: even" in y_labels(ax)
    wide = simulated.fit({"wide": rng.normal(size=(30, 1)) + rng.normal(size=(30, 200))}, 2)
    assert len(y_labels(plots.weights(wide))) <= 60


def test_without_an_active_factor_all_are_drawn(rng):
    noise = simulated.fit({"noise": rng.normal(size=(200, 40))}, 3)
    assert not noise.active.any().any()
    assert x_labels(plots.weights(noise)) == ["0", "1", "2"]


def test_an_unknown_view_has_no_weights(real):
    with pytest.raises(DataError, match="nonsense"):
        plots.weights(real, "nonsense")


def test_variance_explained_writes_the_numbers(real, simulation):
    ax = plots.variance_explained(real, simulation.data)
    shares = diagnostics.variance_explained(real, simulation.data)
    assert x_labels(ax) == ["0", "1", "2", "all"]
    assert y_labels(ax) == ["left", "right"]
    written = np.array([text.get_text() for text in ax.texts], dtype=int).reshape(2, 4)
    np.testing.assert_allclose(written[:, :3], 100 * shares.to_numpy()[:, :3], atol=0.5)
    np.testing.assert_allclose(
        written[:, 3], [100 * share for share in shares.attrs["total"].values()], atol=0.5
    )


def test_sharing_has_a_symbol_for_every_role(real):
    ax = plots.sharing(real)
    counts = {points.get_label(): len(points.get_offsets()) for points in ax.collections}
    assert counts == {"shared": 2, "private": 2, "off": 8}
    assert len({points.get_paths()[0].vertices.shape for points in ax.collections}) > 1
    assert ax.get_title() == "1 shared, 2 private, 3 off"
    assert y_labels(ax) == ["left", "right"]
    shared = diagnostics.sharing(real)["kind"].eq("shared").idxmax()
    assert [list(line.get_xdata()) for line in ax.lines] == [[shared, shared]]


def test_factors_by_category_differ_in_marker_and_colour(real, simulation):
    kinds = np.arange(200) % 3
    ax = plots.factors(real, simulation.data, kinds, label="kind")
    assert legend(ax) == ["0", "1", "2"]
    assert ax.get_legend().get_title().get_text() == "kind"
    assert len({points.get_paths()[0].vertices.tobytes() for points in ax.collections}) == 3
    assert [len(points.get_offsets()) for points in ax.collections] == [67, 67, 66]
    means = real.transform(simulation.data).mean
    np.testing.assert_allclose(ax.collections[0].get_offsets(), means[kinds == 0][:, :2])


def test_factors_by_a_number_get_a_colour_bar(real, simulation, rng):
    ax = plots.factors(real, simulation.data, rng.normal(size=200), pair=(2, 0), label="age, years")
    assert ax.get_xlabel() == "factor 2 (prior sd)"
    assert ax.get_ylabel() == "factor 0 (prior sd)"
    assert ax.figure.axes[-1].get_ylabel() == "age, years"
    assert ax.get_legend() is None


def test_factors_refuses_what_cannot_be_drawn(real, simulation):
    with pytest.raises(DataError, match="200 rows"):
        plots.factors(real, simulation.data, [0, 1])
    with pytest.raises(DataError, match="0 to 5"):
        plots.factors(real, simulation.data, pair=(0, 9))


def test_factors_of_a_mixture_are_in_units_of_a_component(digits):
    ax = plots.factors(digits.fit, {"digit": digits.images}, digits.labels)
    assert ax.get_xlabel().endswith("(sd within a component)")
    assert len(legend(ax)) == 10


def test_rows_of_unknown_category_are_crosses(real, simulation):
    kinds = pd.Series(np.where(np.arange(200) % 4, "b", "a"), name="kind")
    kinds[:50] = None
    ax = plots.factors(real, simulation.data, kinds)
    assert legend(ax) == ["a", "b", "unknown"]
    assert ax.get_legend().get_title().get_text() == "kind"
    assert len(ax.collections[-1].get_offsets()) == 50


def test_rows_of_unknown_number_are_crosses_beside_the_colour_bar(real, simulation, rng):
    age = rng.normal(size=200)
    age[:30] = np.nan
    ax = plots.factors(real, simulation.data, age, label="age, years")
    assert legend(ax) == ["unknown"]
    assert len(ax.collections[-1].get_offsets()) == 30
    assert ax.figure.axes[-1].get_ylabel() == "age, years"


def test_a_covariate_with_names_is_aligned_by_them(real, simulation):
    names = [f"row {i}" for i in range(200)]
    given = {name: pd.DataFrame(values, index=names) for name, values in simulation.data.items()}
    kinds = pd.Series(["odd" if i % 2 else "even" for i in range(200)], index=names)
    ax = plots.factors(real, given, kinds.iloc[150:0:-1])
    assert legend(ax) == ["even", "odd", "unknown"]
    means = real.transform(given).mean
    np.testing.assert_allclose(ax.collections[0].get_offsets(), means[2:151:2, :2])


def test_categories_keep_the_order_declared_for_them(real, simulation):
    stages = pd.Series(pd.Categorical(["low", "mid", "high", "low"] * 50, ["low", "mid", "high", "none"]))
    assert legend(plots.factors(real, simulation.data, stages)) == ["low", "mid", "high"]


def test_too_many_categories_are_refused(real, simulation):
    with pytest.raises(DataError, match="40 categories, of which 12"):
        plots.factors(real, simulation.data, [f"clinic {i % 40}" for i in range(200)])


def test_one_factor_is_drawn_against_itself(rng):
    fit = simulated.fit({"only": rng.normal(size=(40, 6))}, 1)
    ax = plots.factors(fit, {"only": rng.normal(size=(5, 6))})
    assert ax.get_xlabel() == ax.get_ylabel() == "factor 0 (prior sd; off)"
