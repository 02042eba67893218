"""The experiment on the bundled digits, which stand in for faces, and its parts on made-up numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import pyro_favae as fv
from pyro_favae.experiments.catalogue import EXPERIMENTS
from pyro_favae.experiments.transfer import run
from pyro_favae.experiments.transfer.measures import (
    most_informative,
    most_relevant,
    r2_table,
    reached,
    sooner,
)
from pyro_favae.experiments.transfer.plans import DIGITS, PLANS, Split, load_digits
from pyro_favae.experiments.transfer.product_of_experts import IMAGE, LATENT, ProductOfExperts, train_product
from pyro_favae.experiments.transfer.training import DEEP, train_alone, train_beside, train_small
from pyro_favae.experiments.transfer.watch import r2_of_each

PLAN = replace(DIGITS, rows=400, held_out=200, small_epochs=15, epochs=8, batch_size=32)
QUIET = {"seed": 0, "progress": False}


@pytest.fixture(scope="module")
def digits():
    split = Split.of(load_digits().images, PLAN, seed=0)
    small = train_small(split, PLAN, **QUIET)
    alone = train_alone(split, PLAN, 1.0, **QUIET)
    beside = train_beside(small, split, PLAN, **QUIET)
    return SimpleNamespace(split=split, small=small, alone=alone, beside=beside)


def test_what_the_small_vae_knows_is_passed_on(digits):
    alone, beside = digits.alone.curve, digits.beside.curve
    assert len(alone) == len(beside) == PLAN.epochs
    assert reached(beside, alone["likelihood"].max())[0] <= 0.75 * PLAN.epochs
    assert beside["divergence"].iloc[-1] < alone["divergence"].iloc[-1]


def test_the_curve_is_of_held_out_images(digits):
    last = digits.alone.curve.iloc[-1]
    drawn = digits.alone.vae.reconstruct(digits.split.test)
    assert last["r2"] == pytest.approx(
        float(r2_of_each(*map(torch.as_tensor, (drawn, digits.split.test))).mean())
    )
    assert (digits.beside.curve["seconds"].diff().dropna() > 0).all()
    density = -0.5 * ((drawn - digits.split.test) / 0.15) ** 2 - np.log(0.15 * np.sqrt(2 * np.pi))
    assert last["likelihood"] == pytest.approx(density.sum((1, 2, 3)).mean(), rel=1e-4)


def test_watching_changes_nothing(digits):
    plain = fv.pretrain(
        PLAN.alone(1.0),
        digits.split.images,
        epochs=PLAN.epochs,
        batch_size=PLAN.batch_size,
        learning_rate=PLAN.learning_rate,
        **QUIET,
    )
    np.testing.assert_array_equal(
        plain.encode(digits.split.test)[0], digits.alone.vae.encode(digits.split.test)[0]
    )


def test_relevant_dimensions_are_those_with_large_weights(digits):
    deviations = digits.beside.fit.guide.posterior.view(DEEP).noise.mean.rsqrt().numpy()
    weights = digits.beside.fit.weight_table(DEEP).abs().sum(axis=1).to_numpy() / deviations
    assert most_relevant(digits.beside.fit, DEEP, 3) == np.argsort(-weights)[:3].tolist()
    assert len(set(most_informative(digits.alone.vae, digits.split.test, 4))) == 4


CURVES = {
    name: pd.DataFrame(
        {"likelihood": values, "seconds": np.arange(1.0, 5) * cost}, index=pd.RangeIndex(1, 5, name="epoch")
    )
    for name, values, cost in (
        ("alone", [1, 3, 5, 4], 2),
        ("beside", [4, 5, 6, 7], 3),
        ("worse", [1, 2, 3, 4], 1),
    )
}


def test_how_much_sooner_is_counted_in_epochs_and_seconds():
    table = sooner(CURVES, "alone")
    assert table.loc["alone"].tolist() == [3, 6, 1, 1]
    assert table.loc["beside"].tolist() == [2, 6, 1.5, 1]
    assert table.loc["worse"].isna().all()


def test_r2_is_of_each_image_about_its_own_mean(rng):
    images = rng.random((5, 1, 4, 4))
    flat = np.broadcast_to(images.mean((1, 2, 3), keepdims=True), images.shape)
    table = r2_table({"flat": flat.copy(), "exact": images}, images)
    np.testing.assert_allclose(table.loc["flat"], 0, atol=1e-12)
    np.testing.assert_allclose(table.loc["exact"], [1, 0])


def test_the_product_of_experts_is_sharper_than_each():
    model = ProductOfExperts(PLAN).eval()
    views = {IMAGE: torch.rand(3, 1, 8, 8), LATENT: torch.randn(3, 8)}
    both, image, latent = (
        model.posterior({name: views[name] for name in names})
        for names in ((IMAGE, LATENT), (IMAGE,), (LATENT,))
    )
    precision = [q.variance.reciprocal() for q in (both, image, latent)]
    torch.testing.assert_close(precision[0], precision[1] + precision[2] - 1)  # N(0, I) counts once
    torch.testing.assert_close(
        both.mean * precision[0], image.mean * precision[1] + latent.mean * precision[2]
    )


def test_the_product_of_experts_learns(digits):
    model = train_product(digits.small, digits.split, replace(PLAN, epochs=12), seed=0)
    drawn, images = map(torch.as_tensor, (model.reconstruct(digits.split.test), digits.split.test))
    mean = torch.as_tensor(digits.split.images.mean(0)).expand_as(images)
    assert r2_of_each(drawn, images).mean() > r2_of_each(mean, images).mean() + 0.05


def test_the_command_writes_a_table_and_figures(digits, tmp_path, monkeypatch):
    plan = replace(PLAN, small_epochs=2, epochs=2)
    monkeypatch.setattr(run, "load_faces", lambda *_: digits.split)
    monkeypatch.setattr(run, "PLANS", {"small": plan})
    table = EXPERIMENTS["transfer"](tmp_path, tmp_path, size="small", **QUIET)
    assert table == (tmp_path / "table.md").read_text()
    for name in ("β-VAE, β = 1", "β-VAE, β = 0.2", "FA-VAE", "FA-VAE, alternating", "product of experts"):
        assert f"| {name} |" in table
    assert {path.name for path in tmp_path.iterdir()} == {
        "table.md", "numbers.json", "fit.favae", "terms.png", "reconstructed.png", "traversed.png",
        "traversed-alone.png",
    }  # fmt: skip
    assert fv.load(tmp_path / "fit.favae").elbo


def test_plans_agree_with_the_papers_numbers():
    paper = PLANS["paper"]
    assert (paper.deep.shape, paper.deep.latent_dim, paper.n_factors) == ((3, 64, 64), 100, 100)
    assert (paper.small.network, paper.deep.network) == ("favae", "favae-deep")
    assert fv.networks.find("favae-deep").channels[-1] == 2048
