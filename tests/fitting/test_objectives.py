"""Learning under each objective lowers what it penalises, and leaves the bounds that are reported as they are."""

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.inference.objectives import LatentBatch
from pyro_favae.inference.objectives.dip import latent_covariance
from pyro_favae.inference.objectives.total_correlation import total_correlation
from pyro_favae.models.objectives import DIP, FactorVAE, Plain, TotalCorrelation

N, D = 300, 5
IMAGES = fv.datasets.load_digits().images[:N]


def learnt(objective) -> fv.Pretrained:
    view = fv.views.Image((1, 8, 8), D, "dense", fv.likelihoods.Gaussian(0.2), objective=objective)
    return fv.pretrain(
        view, IMAGES, epochs=30, batch_size=60, learning_rate=3e-3, seed=0, device="cpu", progress=False
    )


def encoded(pretrained: fv.Pretrained) -> LatentBatch:
    mean, variance = map(torch.as_tensor, pretrained.encode(IMAGES))
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0), dtype=mean.dtype)
    return LatentBatch(mean + variance.sqrt() * noise, mean, variance)


def correlation(batch: LatentBatch) -> float:
    return float(total_correlation(batch, N))


def covariances(batch: LatentBatch) -> float:
    covariance = latent_covariance(batch, "I")
    return float((covariance - torch.diag(covariance.diagonal())).square().sum())


@pytest.fixture(scope="module")
def plain() -> LatentBatch:
    return encoded(learnt(Plain()))


@pytest.mark.parametrize(
    ("objective", "penalised"),
    [
        (TotalCorrelation(8.0), correlation),
        (FactorVAE(50.0, hidden=(64, 64), learning_rate=3e-3), correlation),
        (DIP(50.0, 0.0, form="I"), covariances),
        (DIP(50.0, 50.0, form="II"), covariances),
    ],
    ids=repr,
)
def test_each_objective_lowers_its_own_penalty(plain, objective, penalised):
    pretrained = learnt(objective)
    print(f"{penalised(encoded(pretrained)):.3f}, plain {penalised(plain):.3f}")
    assert penalised(encoded(pretrained)) < 0.8 * penalised(plain)
    history = pretrained.history
    np.testing.assert_allclose(history["elbo"], history["likelihood"] - history["divergence"])
    assert history["elbo"].iloc[-1] > history["elbo"].iloc[0]


def test_the_whole_data_set_is_what_a_minibatch_stands_for():
    assert learnt_in_one_pass(TotalCorrelation()).guide.model.n_rows == N


def learnt_in_one_pass(objective) -> fv.Pretrained:
    view = fv.views.Image((1, 8, 8), 2, "dense", objective=objective)
    return fv.pretrain(view, IMAGES, epochs=1, seed=0, device="cpu", progress=False)


@pytest.mark.parametrize("objective", [TotalCorrelation(1.0), TotalCorrelation(20.0)], ids=repr)
def test_a_fit_reports_the_bound_without_the_extra_term(objective):
    """Without weight the same fit to the last bit; with it another fit, whose bound is the sum of the same terms."""
    data = {"digit": IMAGES[:100], "mean": IMAGES[:100].mean((1, 2, 3))[:, None]}

    def fitted(chosen) -> fv.Fit:
        views = {
            "digit": fv.views.Image((1, 8, 8), 3, "dense", objective=chosen),
            "mean": fv.views.Real(1),
        }
        options = {"epochs": 3, "batch_size": 25, "seed": 0, "device": "cpu", "progress": False}
        return fv.fit(fv.FAVAE(views, 2), data, **options)

    history, expected = fitted(objective).history, fitted(Plain()).history
    assert list(history) == list(expected)
    terms = history.columns.drop(["stage", "elbo", "objective", "seconds", "active"])
    np.testing.assert_allclose(history["elbo"], history[terms].sum(axis=1))
    same = bool((history["elbo"] == expected["elbo"]).all())
    assert same == (objective.beta == 1)
