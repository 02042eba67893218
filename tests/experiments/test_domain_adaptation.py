"""The experiment on bundled digits, in two guises, which stand in for faces and cartoons; and its parts."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.errors import DataError, SpecError
from pyro_favae.experiments.domain_adaptation import run, sources
from pyro_favae.experiments.domain_adaptation.discrete_code import train_discrete_code
from pyro_favae.experiments.domain_adaptation.domain_judge import train_domain_judge
from pyro_favae.experiments.domain_adaptation.domains import Domain, Pairs
from pyro_favae.experiments.domain_adaptation.figures import role_of
from pyro_favae.experiments.domain_adaptation.gaussians import CellGaussians
from pyro_favae.experiments.domain_adaptation.measures import measure
from pyro_favae.experiments.domain_adaptation.plans import DIGITS, PLANS
from pyro_favae.experiments.domain_adaptation.training import adapt, both_ways, three_views
from pyro_favae.experiments.domain_adaptation.translation import canonical_axes, translate

QUICK = replace(DIGITS, epochs=6, judge_epochs=10)


@pytest.fixture(scope="module")
def pairs():
    return Pairs.of(sources.load_digits(), QUICK.per_cell, seed=0)


@pytest.fixture(scope="module")
def digits(pairs):
    adapted = adapt(pairs, QUICK, seed=0, progress=False)
    judges = {name: train_domain_judge(pairs.learn[name], QUICK) for name in pairs.names}
    vaes = {name: adapted.fit.pretrained(name) for name in pairs.names}
    methods = {
        "matched": adapted.translate,
        "drawn": adapted.draw,
        "gaussians": CellGaussians.of(vaes, pairs).translate,
    }
    shares = measure(methods, adapted.fit.reconstruct, judges, pairs)
    return SimpleNamespace(adapted=adapted, shares=shares)


def test_no_held_out_image_is_learnt_from(pairs):
    for name, domain in sources.load_digits().items():
        learn, test = ({image.tobytes() for image in part[name].images} for part in (pairs.learn, pairs.test))
        assert not learn & test
        assert learn | test == {image.tobytes() for image in domain.images}
        assert len(test) / len(domain.images) == pytest.approx(0.3, abs=0.01)


def test_pairs_agree_in_kind_and_mark_and_every_combination_is_as_frequent(pairs):
    first, second = (pairs.paired(name) for name in pairs.names)
    np.testing.assert_array_equal(first.labels, second.labels)
    cells, counts = np.unique(first.cells, return_counts=True)
    assert len(cells) == 6
    assert set(counts) == {QUICK.per_cell}
    assert first.marks.mean() == 0.5
    np.testing.assert_array_equal(first.kinds, second.kinds)


def test_repeated_images_meet_other_partners(pairs):
    rows = np.column_stack([pairs.rows[name] for name in pairs.names])
    assert len(np.unique(rows[:, 0])) < len(rows) / 2
    assert len(np.unique(rows, axis=0)) > 0.9 * len(rows)


def test_images_of_no_kind_are_in_no_pair(rng):
    labels = pd.DataFrame({"a": [1, 1, 1, 1, 0, 1] * 9, "b": [0, 0, 0, 0, 0, 1] * 9, "marked": [0, 1] * 27})
    domain = Domain(rng.random((54, 1, 8, 8)).astype(np.float32), labels)
    with pytest.raises(DataError, match="face: no image"):
        Pairs.of({"face": domain, "cartoon": domain}, 5, seed=0)
    labels.loc[::7, ["a", "b"]] = [0, 1]
    pairs = Pairs.of({"face": domain, "cartoon": domain}, 5, seed=0)
    for part in (pairs.paired("face"), pairs.test["face"]):
        assert (part.labels[["a", "b"]].sum(axis=1) == 1).all()
    assert (pairs.learn["face"].labels[["a", "b"]].sum(axis=1) != 1).any()


def test_hair_colours_of_faces_are_read_from_attributes():
    attributes = pd.DataFrame(
        [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1]],
        columns=["Blond_Hair", "Brown_Hair", "Black_Hair", "Gray_Hair", "Eyeglasses"],
    )
    labels = sources.face_labels(attributes)
    assert list(labels) == ["blond", "dark", "grey", "glasses"]
    np.testing.assert_array_equal(
        labels, [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    )


def test_hair_colours_of_cartoons_are_read_from_the_palette():
    table = pd.DataFrame(
        {
            "hair_color_name": ["golden", "auburn", "blue_grey", "red", np.nan],
            "derived_glasses": [0, 1, 1, 0, 1],
        }
    )
    labels = sources.cartoon_labels(table)
    np.testing.assert_array_equal(
        labels, [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    )
    with pytest.raises(DataError, match="hair_color_name"):
        sources.cartoon_labels(table[["derived_glasses"]])


def test_the_three_views_have_mirror_images_behind_them(pairs):
    plan = replace(QUICK, mirrored=True)
    data = three_views(pairs, plan)
    assert {name: len(values) for name, values in data.items()} == dict.fromkeys(data, 2 * pairs.n)
    np.testing.assert_array_equal(data["digit"][pairs.n], data["digit"][0, :, :, ::-1])
    np.testing.assert_array_equal(data["kind"][: pairs.n], data["kind"][pairs.n :])
    assert (data["kind"].sum(1) == 1).all()
    np.testing.assert_array_equal(both_ways(data["digit"], QUICK), data["digit"])


def test_translations_show_kind_and_mark_better_than_draws_and_vary(digits):
    shares = digits.shares
    for target in ("digit", "negative"):
        assert shares.loc["real", (target, "both")] > 0.85
        assert shares.loc["matched", (target, "kind")] > 0.6
        assert shares.loc["matched", (target, "mark")] > 0.7
        assert shares.loc["matched", (target, "both")] > shares.loc["drawn", (target, "both")] + 0.1
        assert 0.15 < shares.loc["matched", (target, "variety")] < 1
        assert shares.loc["gaussians", (target, "both")] > 0.35


def test_a_seed_says_what_is_private(digits, pairs):
    images = pairs.test["digit"].images[:20]
    first, again, other = (digits.adapted.translate("digit", "negative", images, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.02


def test_a_translation_of_linear_views_says_what_the_source_says(rng):
    """Two real views, whose latents are the data: variates of the translation are those of the source."""
    factors = rng.normal(size=(400, 2))
    data = {
        name: factors @ rng.normal(size=(2, 6)) + 0.7 * rng.normal(size=(400, 6))
        for name in ("left", "right")
    }
    fit = fv.fit(
        fv.FAVAE({name: fv.views.Real(6) for name in data}, 2), data, epochs=60, seed=0, progress=False
    )
    left, right = (fit.transform({name: rows}) for name, rows in data.items())
    of_left, of_right, correlations = canonical_axes(left.covariance[0], right.covariance[0])
    variates = np.corrcoef((left.mean @ of_left).T, (right.mean @ of_right).T)
    np.testing.assert_allclose(np.diag(variates[2:, :2]), correlations, atol=0.05)
    np.testing.assert_allclose(variates[2:, :2] - np.diag(np.diag(variates[2:, :2])), 0, atol=0.1)
    start = data["right"][rng.permutation(400)]
    moved = translate(fit, "left", data["left"], "right", start)
    told, seen, was = (
        fit.transform({name: rows}).mean
        for name, rows in (("left", data["left"]), ("right", moved), ("right", start))
    )
    for k in range(2):
        assert np.corrcoef(told[:, k], seen[:, k])[0, 1] > 0.95
        assert abs(np.corrcoef(was[:, k], seen[:, k])[0, 1]) < 0.3
        assert seen[:, k].std() == pytest.approx(was[:, k].std(), rel=0.2)
    # what is private stays: rows move within the span of the weights alone
    assert np.linalg.matrix_rank(moved - start, tol=1e-6 * np.linalg.norm(moved - start)) == 2


def test_the_discrete_code_is_trained_and_translates(pairs):
    trained = train_discrete_code(pairs, replace(QUICK, epochs=1), seed=0, progress=False)
    images = pairs.test["digit"].images[:5]
    first, again = (trained.translate("digit", "negative", images, seed=1) for _ in range(2))
    assert first.shape == images.shape
    assert 0 <= first.min() < first.max() <= 1
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("way", ["refined", "joint"])
def test_the_other_ways_train_too(way):
    pairs = Pairs.of(sources.load_digits(), 30, seed=0)
    adapted = adapt(pairs, replace(QUICK, epochs=4), way, seed=0, progress=False)
    assert adapted.seconds > 0
    assert adapted.translate("digit", "negative", pairs.test["digit"].images[:2]).shape == (2, 1, 8, 8)


def test_an_unknown_way_is_refused(pairs):
    with pytest.raises(SpecError, match="'alternating'"):
        adapt(pairs, QUICK, "alternating")


def test_the_command_writes_a_table_and_figures(digits, tmp_path, monkeypatch):
    plan = replace(QUICK, epochs=1, judge_epochs=1)
    monkeypatch.setattr(run, "load_faces_and_cartoons", lambda *_: sources.load_digits())
    monkeypatch.setattr(run, "PLANS", {"small": plan})
    monkeypatch.setattr(run, "adapt", lambda *_, **__: digits.adapted)
    table = run.run_domain_adaptation(tmp_path, tmp_path, size="small", seed=0, progress=False)
    assert table + "\n" == (tmp_path / "table.md").read_text()
    for row in ("real", "reconstructed", "FA-VAE", "discrete code", "Gaussians"):
        assert f"| {row} |" in table
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.md", "fit.favae", "to-digit.png", "to-negative.png", "translated.png",
        "private.png", "shared.png", "weights.png",
    }  # fmt: skip
    assert fv.load(tmp_path / "fit.favae").elbo


def test_factors_are_named_after_the_views_that_use_them():
    names = ["face", "cartoon", "kind"]
    assert role_of(np.array([True, True, True]), names) == "all"
    assert role_of(np.array([True, False, True]), names) == "face + kind"
    assert role_of(np.array([True, False, False]), names) == "face only"
    assert role_of(np.array([False, False, False]), names) == "off"


def test_plans_agree_with_the_papers_numbers():
    paper = PLANS["paper"]
    assert (paper.image.shape, paper.image.latent_dim, paper.n_factors) == ((3, 64, 64), 100, 100)
    assert paper.image.network == "favae"
    assert 6 * paper.per_cell == pytest.approx(10_000, rel=0.001)
