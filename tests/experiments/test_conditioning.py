"""The experiment on the bundled digits, which stand in for faces, and its parts on made-up numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import pyro_favae as fv
from pyro_favae.experiments.conditioning import run
from pyro_favae.experiments.conditioning.attribute_judge import averaged, train_attribute_judge
from pyro_favae.experiments.conditioning.cells import cells_of, evened_out, frequent, held_out_rows, labels_of
from pyro_favae.experiments.conditioning.measures import measure
from pyro_favae.experiments.conditioning.plans import DIGITS, PLANS, load_digits
from pyro_favae.experiments.conditioning.training import condition, train_vae


@pytest.fixture(scope="module")
def digits():
    split = load_digits()
    vae = train_vae(split, DIGITS, seed=0, progress=False)
    conditioned = condition(vae, split, DIGITS, seed=0, progress=False)
    judge = train_attribute_judge(split, DIGITS)
    quality = measure(conditioned, judge, split)
    return SimpleNamespace(split=split, vae=vae, conditioned=conditioned, judge=judge, quality=quality)


def test_cells_read_attributes_as_binary_digits():
    attributes = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0]])
    np.testing.assert_array_equal(cells_of(attributes), [0, 1, 6])
    np.testing.assert_array_equal(labels_of(attributes.astype(float)), ["000", "001", "110"])


def test_every_combination_is_held_out_alike(rng):
    attributes = pd.DataFrame(rng.random((1000, 2)) < [0.1, 0.6]).astype(int)
    held_out, cells = held_out_rows(attributes, 0.3), cells_of(attributes)
    for cell in range(4):
        assert abs(held_out[cells == cell].mean() - 0.3) < 0.5 / (cells == cell).sum() + 1e-9


def test_evened_out_rows_have_every_combination_alike():
    attributes = np.array([[0, 0]] * 60 + [[0, 1]] * 20 + [[1, 0]] * 10 + [[1, 1]] * 2)
    rows = evened_out(attributes, fewest=5)
    assert {cell: (cells_of(attributes[rows]) == cell).sum() for cell in range(4)} == {
        0: 30,
        1: 30,
        2: 30,
        3: 0,
    }
    np.testing.assert_array_equal(np.unique(rows[:30]).size, 30)  # of a large one no row twice
    np.testing.assert_array_equal(np.unique(rows[60:]), np.arange(80, 90))  # of a small one every row
    np.testing.assert_array_equal(frequent(attributes, 10), [0, 1, 2])


def test_averages_over_squares(rng):
    images = rng.random((2, 3, 4, 6)).astype(np.float32)
    np.testing.assert_allclose(averaged(images, 2)[1, 2, 0, 1], images[1, 2, :2, 2:4].mean(), rtol=1e-6)
    np.testing.assert_array_equal(averaged(images, 1), images)


def test_conditioning_leaves_the_reconstruction_as_it_was(digits):
    before, after = digits.quality.reconstruction
    assert before == pytest.approx(after, abs=1e-6)
    assert before > 0.7


def test_attributes_are_seen_switched_and_drawn(digits):
    shares = digits.quality.attributes
    assert list(shares.index) == ["loop", "straight"]
    assert (shares["real"] > 0.9).all()
    assert (shares["generated"] > 0.65).all()
    assert (shares["predicted"] > shares["logistic"] - 0.05).all()
    assert (shares["edited"] > 0.7).all()
    assert 0.5 < digits.quality.spread < 1.5


def test_more_strength_shows_more_clearly(digits):
    truth = np.tile([[1, 0], [0, 1]], (150, 1))
    weak, strong = (replace(digits.conditioned, strength=(value, value)) for value in (0.5, 1.5))
    seen = [(digits.judge.verdict(drawn.generate(truth, seed=0)) == truth).mean() for drawn in (weak, strong)]
    assert seen[0] < seen[1] - 0.03


def test_a_combination_that_no_row_has_is_drawn_from_all_groups(digits):
    """A digit with a loop and of straight strokes alone."""
    given = digits.conditioned.given(np.array([[1, 1], [1, 0]]))
    assert given["combination"] == [None, "10"]
    np.testing.assert_allclose(given["attributes"], [[1.15, 1.15], [1.15, -0.15]])
    assert np.isfinite(digits.conditioned.generate(np.array([[1, 1]]), seed=0)).all()


def test_an_image_shows_what_it_is_edited_to(digits):
    """When the edited image is encoded again: the encoder sees it otherwise than the latents that were decoded."""
    images, conditioned = digits.split.test_images, digits.conditioned
    for k, name in enumerate(digits.split.attributes.columns):
        for on in (False, True):
            edited = conditioned.edit(images, name, on)
            assert (conditioned.predict(edited)[:, k] == on).mean() > 0.95
            said = conditioned.fit.predict("attributes", {"face": edited}).mean[:, k]
            assert np.abs(said - conditioned.levels[k, int(on)]).mean() < 0.1


def test_the_command_writes_a_table_and_figures(digits, tmp_path, monkeypatch):
    plan = replace(DIGITS, epochs=2, judge_epochs=1)
    monkeypatch.setattr(run, "load_faces", lambda *_: digits.split)
    monkeypatch.setattr(run, "PLANS", {"small": plan})
    table = run.run_conditioning(tmp_path, tmp_path, size="small", seed=0, progress=False)
    assert table + "\n" == (tmp_path / "table.md").read_text()
    assert "| loop |" in table
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.md", "fit.favae", "bound.png", "edited.png", "generated.png"
    }  # fmt: skip
    assert fv.load(tmp_path / "fit.favae").elbo


def test_plans_agree_with_the_papers_numbers():
    paper = PLANS["paper"]
    assert (paper.face.shape, paper.face.latent_dim, paper.n_factors) == ((3, 64, 64), 100, 100)
    assert paper.face.network == "favae"
