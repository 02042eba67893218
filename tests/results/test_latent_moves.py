import numpy as np
import pytest

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError


def test_reconstructions_beat_the_mean_image(digits):
    reconstructed = digits.fit.reconstruct("digit", digits.images)
    error = np.square(reconstructed - digits.images).sum()
    assert error < 0.6 * np.square(digits.images - digits.images.mean(0)).sum()


def test_an_edit_that_changes_nothing_reconstructs(digits):
    images = digits.images[:20]
    seen = np.round(digits.fit.predict("attributes", {"digit": images}).mean[:, 0])
    edited = np.concatenate(
        [
            digits.fit.edit("digit", image[None], {"even": value})
            for image, value in zip(images, seen, strict=True)
        ]
    )
    np.testing.assert_allclose(edited, digits.fit.reconstruct("digit", images), atol=1e-5)


def test_an_edited_attribute_is_seen_in_the_image(digits):
    """Where it is switched; where it already is as wished, the image stays as it was."""
    before = digits.fit.predict("attributes", {"digit": digits.images}).mean[:, 2]
    for value in (0, 1):
        edited = digits.fit.edit("digit", digits.images, {"loop": value})
        moved = digits.fit.predict("attributes", {"digit": edited}).mean[:, 2] - before
        switched = np.round(before) != value
        assert moved[switched].mean() * (1 if value else -1) > 0.3
        kept = digits.fit.reconstruct("digit", digits.images[~switched])
        np.testing.assert_allclose(edited[~switched], kept, atol=1e-5)


def test_edits_of_a_real_view_keep_what_is_private(linear):
    rows = linear.test["table"][:5]
    edited = linear.fit.edit("table", rows, {"first": 4.0, "second": 0.0, "third": 0.0})
    assert np.abs(edited - rows).max() > 1
    seen = linear.fit.predict("named", {"table": rows}).mean
    same = linear.fit.edit("table", rows[:1], dict(zip(("first", "second", "third"), seen[0], strict=True)))
    np.testing.assert_allclose(same, rows[:1])


def test_an_edited_row_says_what_is_wished(linear):
    """Three attributes of two factors: the one that is changed comes before those that are kept."""
    rows = linear.test["table"][:20]
    before = linear.fit.predict("named", {"table": rows}).mean
    after = linear.fit.predict("named", {"table": linear.fit.edit("table", rows, {"second": 0.7})}).mean
    np.testing.assert_allclose(after[:, 1], 0.7, atol=1e-3)
    drifted = np.abs(after - before)[:, [0, 2]].max(1)
    assert (drifted <= 1.5 * np.abs(0.7 - before[:, 1])).all()


def test_attributes_that_are_not_changed_stay():
    """Two attributes of two factors that correlate: each moves without the other."""
    rng = np.random.default_rng(0)
    named = rng.normal(size=(400, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    table = named @ rng.normal(size=(2, 6)) + 0.3 * rng.normal(size=(400, 6))
    model = fv.FAVAE({"table": fv.views.Real(6), "named": fv.views.Real(("a", "b"))}, 2)
    fit = fv.fit(model, {"table": table, "named": named}, epochs=50, seed=0, progress=False, device="cpu")
    before = fit.predict("named", {"table": table[:20]}).mean
    after = fit.predict("named", {"table": fit.edit("table", table[:20], {"a": 1.0})}).mean
    np.testing.assert_allclose(after[:, 0], 1.0, atol=1e-3)
    np.testing.assert_allclose(after[:, 1], before[:, 1], atol=1e-3)


def test_a_switched_label_is_seen_in_the_row(linear):
    rows = linear.test["table"]
    for label in ("0", "1"):
        for value in (0, 1):
            edited = linear.fit.edit("table", rows, {label: value})
            seen = linear.fit.predict("labels", {"table": edited}).mean[:, int(label)]
            assert (np.round(seen) == value).mean() > 0.95


def test_edits_move_within_what_the_factors_explain(linear):
    rows, weights = linear.test["table"][:5], linear.fit.weights("table")
    move = linear.fit.edit("table", rows, {"first": 2.0}) - rows
    factors = np.linalg.lstsq(weights, move.T, rcond=None)[0]
    np.testing.assert_allclose(weights @ factors, move.T, atol=1e-6 * np.abs(move).max())


def test_what_a_view_does_not_show_is_left_alone():
    """Of two independent columns, the table shows the first alone."""
    rng = np.random.default_rng(0)
    shared, alone = rng.normal(size=(2, 300, 1))
    table = shared @ np.ones((1, 4)) + 0.1 * rng.normal(size=(300, 4))
    model = fv.FAVAE({"table": fv.views.Real(4), "named": fv.views.Real(("shown", "hidden"))}, 2)
    data = {"table": table, "named": np.hstack([shared, alone])}
    fit = fv.fit(model, data, epochs=50, seed=0, progress=False, device="cpu")
    hidden = fit.edit("table", table[:5], {"hidden": 3.0}) - table[:5]
    shown = fit.edit("table", table[:5], {"shown": 3.0}) - table[:5]
    assert np.abs(hidden).max() < 0.05
    np.testing.assert_allclose(table[:5] + shown, 3.0, atol=0.5)


def test_unknown_attributes_are_named(digits):
    with pytest.raises(DataError, match="'wings'"):
        digits.fit.edit("digit", digits.images[:1], {"wings": 1})


@pytest.mark.parametrize("space", ["private", "shared"])
def test_interpolation_starts_at_the_reconstruction(digits, space):
    start, end = digits.images[:2], digits.images[2:4]
    strip = digits.fit.interpolate("digit", start, end, steps=5, space=space)
    assert strip.shape == (5, 2, 1, 8, 8)
    np.testing.assert_allclose(strip[0], digits.fit.reconstruct("digit", start), atol=1e-5)
    if space == "private":
        np.testing.assert_allclose(strip[-1], digits.fit.reconstruct("digit", end), atol=1e-5)


def test_interpolation_needs_a_known_space(digits):
    with pytest.raises(SpecError, match="'outer'"):
        digits.fit.interpolate("digit", digits.images[:1], digits.images[:1], space="outer")


def test_a_traversal_passes_through_the_row_itself(digits):
    strongest = int(np.abs(digits.fit.weights("digit")).max(0).argmax())
    strip = digits.fit.traverse("digit", digits.images[:2], factor=strongest, steps=5)
    assert strip.shape == (5, 2, 1, 8, 8)
    np.testing.assert_allclose(strip[2], digits.fit.reconstruct("digit", digits.images[:2]), atol=1e-5)
    assert np.abs(strip[0] - strip[4]).max() > 0.1


def test_a_factor_that_is_off_moves_nothing(linear):
    weights = np.abs(linear.fit.weights("table")).max(0)
    off = int(weights.argmin())
    strip = linear.fit.traverse("table", linear.test["table"][:1], factor=off, steps=2)
    assert np.abs(strip[1] - strip[0]).max() < 0.05 * np.abs(linear.test["table"]).max()


@pytest.mark.parametrize("wrong", [{}, {"factor": 1, "dimension": 1}, {"factor": 99}, {"dimension": -1}])
def test_a_traversal_needs_one_known_direction(digits, wrong):
    with pytest.raises(SpecError, match="traverse"):
        digits.fit.traverse("digit", **wrong)


@pytest.fixture(scope="module")
def kinds():
    """A table, classes, embeddings with variances and a table behind an encoder, of one factor; in two groups."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 200)
    g = rng.normal(size=(200, 1)) + 4 * group[:, None]
    embedding = g * [1.0, -2.0] + 0.1 * rng.normal(size=(200, 2))
    data = {
        "table": g * [1.0, 2.0, -1.0, 0.5] + 0.2 * rng.normal(size=(200, 4)),
        "species": (g[:, 0] > 2).astype(float),
        "embedding": np.hstack([embedding, np.full((200, 2), 0.01)]),
        "counts": rng.poisson(np.exp(1 + 0.2 * g * [1.0, 1.0, 1.0])).astype(float),
        "group": np.array(["a", "b"])[group],
    }
    views = {
        "table": fv.views.Real(4),
        "species": fv.views.Categorical(["cat", "dog"]),
        "embedding": fv.views.Frozen(["left", "right"], variances=True),
        "counts": fv.views.Tabular(["mice", "rats", "birds"], 1, (8,), likelihood=fv.likelihoods.Poisson()),
    }
    model = fv.FAVAE(views, 2, factors=fv.priors.Grouped(("a", "b")))
    fit = fv.fit(model, data, epochs=15, batch_size=50, seed=0, progress=False, device="cpu")
    return fit, data


@pytest.mark.parametrize(
    ("attributes", "up"),
    [({"dog": 1}, True), ({"cat": 1}, False), ({"left": 9.0}, True), ({"right": 9.0}, False)],
)
def test_classes_and_embeddings_are_attributes_too(kinds, attributes, up):
    fit, data = kinds
    rows = data["table"][90:110]
    edited = fit.edit("table", rows, attributes)
    moved = (edited - rows)[:, 1]
    assert (moved >= -1e-9).all() if up else (moved <= 1e-9).all()
    assert np.abs(moved).max() > 0.1


def test_columns_behind_an_encoder_are_attributes_too(kinds):
    fit, data = kinds
    edited = fit.edit("table", data["table"][:5], {"mice": 40.0})
    assert edited.shape == (5, 4)
    assert np.isfinite(edited).all()


def test_counts_are_edited_though_their_expectations_are_no_counts(kinds):
    fit, data = kinds
    rows = data["counts"][:5]
    more, less = (fit.edit("counts", rows, {"left": value}) for value in (9.0, -9.0))
    assert np.isfinite(more).all()
    assert (more.sum(1) > less.sum(1)).all()


@pytest.mark.parametrize("attributes", [{"cat": 0}, {"cat": 1, "dog": 0}, {"dog": 0.5}])
def test_a_class_is_wished_for_as_a_whole(kinds, attributes):
    fit, data = kinds
    with pytest.raises(DataError, match="expected the one class that is wished"):
        fit.edit("table", data["table"][:2], attributes)


def test_images_have_no_attributes(digits):
    with pytest.raises(DataError, match="'0'"):
        digits.fit.edit("attributes", digits.attributes[:1], {"0": 1.0})


def test_moves_know_the_groups_of_rows(kinds):
    """The table's second column alone is seen, so that much depends on the group."""
    fit, data = kinds
    rows = np.full((4, 4), np.nan)
    rows[:, 1] = data["table"][:4, 1]
    labels = ["a", "b", None, "a"]
    for move in (
        lambda some, groups: fit.reconstruct("table", some, groups=groups),
        lambda some, groups: fit.edit("table", some, {"left": 3.0}, groups=groups),
        lambda some, groups: fit.interpolate("table", some, some + 1, 3, "shared", groups=groups)[1],
        lambda some, groups: fit.interpolate(
            "table", some, some + 1, 3, groups=groups, end_groups=["b"] * len(some)
        )[2],
        lambda some, groups: fit.traverse("table", some, factor=0, steps=3, groups=groups)[2],
    ):
        together = move(rows, labels)
        alone = [move(rows[[i]], [label])[0] for i, label in enumerate(labels)]
        np.testing.assert_allclose(together, alone, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(
        fit.reconstruct("table", rows, groups=labels),
        fit.predict("table", {"table": rows, "group": labels}).mean,
    )


def test_traversals_start_at_the_centre_of_each_group(kinds):
    fit, _ = kinds
    strip = fit.traverse("table", factor=0, steps=3, groups=["a", "b"])
    assert strip.shape == (3, 2, 4)
    np.testing.assert_allclose(strip[1], fit.predict("table", {"group": ["a", "b"]}).mean, atol=1e-9)
    sd = fit.groups["sd"][0].to_numpy()
    reach = (strip[2] - strip[0])[:, 1] / (6 * fit.weights("table")[1, 0])
    np.testing.assert_allclose(reach, sd)


def test_groups_need_a_prior_that_has_them(linear):
    with pytest.raises(SpecError, match="StandardNormal has none"):
        linear.fit.reconstruct("table", linear.test["table"][:2], groups=["a", "b"])
