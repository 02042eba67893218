"""What objectives add to the loss of a view's networks."""

from copy import deepcopy

import numpy as np
import pytest
import torch

import pyro_favae as fv
from pyro_favae.errors import SpecError
from pyro_favae.inference.alone import standard_normal
from pyro_favae.inference.objectives import LatentBatch, objective_term
from pyro_favae.inference.objectives.dip import latent_covariance
from pyro_favae.inference.objectives.factor_vae import permuted
from pyro_favae.inference.objectives.total_correlation import total_correlation
from pyro_favae.inference.processes import Processes
from pyro_favae.inference.step import NetworkStep
from pyro_favae.models.objectives import DIP, FactorVAE, Plain, TotalCorrelation
from pyro_favae.results.pretrained import NAME, one_view_guide

N = 12
CPU = torch.device("cpu")
WEIGHED = [TotalCorrelation(6.0), FactorVAE(10.0, hidden=(8,)), DIP(5.0, 50.0, form="I"), DIP()]
WEIGHTLESS = [TotalCorrelation(1.0), FactorVAE(0.0, hidden=(8,)), DIP(0.0, 0.0, form="I"), DIP(0.0, 0.0)]


def kind(objective) -> str:
    return repr(objective)


def correlated(
    generator: torch.Generator, n: int, noise: float = 0.2, correlation: float = 0.95
) -> LatentBatch:
    """Rows whose aggregate posterior is N(0, [[1, ρ], [ρ, 1]]), ρ = (1 − noise) · correlation."""
    root = torch.linalg.cholesky(torch.tensor([[1, correlation], [correlation, 1]]).double())
    mean = (1 - noise) ** 0.5 * torch.randn(n, 2, generator=generator, dtype=torch.float64) @ root.mT
    variance = torch.full_like(mean, noise)
    draws = mean + noise**0.5 * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return LatentBatch(draws, mean, variance)


TRUTH = -0.5 * np.log(1 - (0.8 * 0.95) ** 2)


def test_the_total_correlation_of_a_gaussian_aggregate():
    generator = torch.Generator().manual_seed(0)
    values = [float(total_correlation(correlated(generator, 600), 600)) for _ in range(8)]
    assert abs(np.mean(values) - TRUTH) < 4 * np.std(values, ddof=1) / 8**0.5


def test_minibatches_stand_for_the_whole_data_set():
    """The mean over minibatches, against the same rows at once; logarithms of estimates are a little low."""
    everything = correlated(torch.Generator().manual_seed(1), 1000)
    whole = float(total_correlation(everything, 1000))
    parts = [
        float(total_correlation(LatentBatch(*(values[i::10] for values in everything)), 1000))
        for i in range(10)
    ]
    assert abs(np.mean(parts) - whole) < 4 * np.std(parts, ddof=1) / 10**0.5 + 0.05 * whole


def test_the_stratified_estimate_of_the_aggregate_is_unbiased():
    """Over all pairs of a row and another one, q(z_i) averages to the mixture of every row."""
    batch = correlated(torch.Generator().manual_seed(2), 6)
    density = torch.distributions.Normal(batch.mean, batch.variance.sqrt())
    whole = density.log_prob(batch.draws[:, None]).sum(2).exp().mean(1)
    for i in range(6):
        pairs = []
        for j in set(range(6)) - {i}:
            log_density = density.log_prob(batch.draws[i]).sum(1)
            pairs.append(log_density[i].exp() / 6 + 5 / 6 * log_density[j].exp())
        assert sum(pairs) / 5 == pytest.approx(float(whole[i]))
    uncorrelated = torch.ones(6, 2).double()
    assert total_correlation(LatentBatch(uncorrelated, uncorrelated, uncorrelated), 6) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("form", ["I", "II"])
def test_dips_penalty(rng, form):
    mean, variance = rng.normal(size=(20, 4)) @ rng.normal(size=(4, 4)), rng.gamma(2.0, size=(20, 4))
    covariance = np.cov(mean.T, bias=True) + (np.diag(variance.mean(0)) if form == "II" else 0)
    batch = LatentBatch(*(torch.as_tensor(values) for values in (mean, mean, variance)))
    np.testing.assert_allclose(latent_covariance(batch, form), covariance, rtol=1e-12)
    off_diagonal = covariance - np.diag(np.diag(covariance))
    expected = 3 * (off_diagonal**2).sum() + 7 * ((np.diag(covariance) - 1) ** 2).sum()
    term = objective_term(DIP(3.0, 7.0, form), 4, 20, CPU)
    assert float(term.penalty(batch)) == pytest.approx(expected)


def test_permuting_keeps_each_dimension_and_breaks_their_ties():
    torch.manual_seed(0)
    draws = correlated(torch.Generator().manual_seed(3), 2000).draws
    mixed = permuted(draws)
    torch.testing.assert_close(mixed.sort(0).values, draws.sort(0).values)
    assert abs(float(torch.corrcoef(mixed.mT)[0, 1])) < 4 / 2000**0.5
    assert float(torch.corrcoef(draws.mT)[0, 1]) > 0.7


def test_the_discriminator_learns_a_known_density_ratio():
    """log q(z) − Σ_h log q(z_h) of a Gaussian; its mean is the total correlation."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(4)
    term = objective_term(FactorVAE(1.0, hidden=(32, 32), learning_rate=2e-3), 2, 10_000, CPU)
    for _ in range(600):
        term.learn(correlated(generator, 512).draws)
    batch = correlated(generator, 4000)
    rho = 0.8 * 0.95
    together = torch.distributions.MultivariateNormal(
        torch.zeros(2).double(), torch.tensor([[1, rho], [rho, 1]]).double()
    )
    truth = together.log_prob(batch.draws) - torch.distributions.Normal(0.0, 1.0).log_prob(batch.draws).sum(1)
    with torch.no_grad():
        told = term.discriminator(batch.draws.float())[:, 0].double()
    assert float(torch.corrcoef(torch.stack([told, truth]))[0, 1]) > 0.9
    assert float(term.penalty(batch)) == pytest.approx(TRUTH, abs=0.1)


def test_the_discriminator_goes_on_from_its_state():
    generator = torch.Generator().manual_seed(5)
    first, second = (objective_term(FactorVAE(hidden=(8,)), 2, 100, CPU) for _ in range(2))
    first.learn(correlated(generator, 50).draws)
    second.load_state_dict(deepcopy(first.state_dict()))
    batch = correlated(generator, 50)
    for term in (first, second):
        torch.manual_seed(0)
        term.learn(batch.draws)
    assert torch.equal(first.penalty(batch), second.penalty(batch))


@pytest.mark.parametrize("objective", WEIGHED, ids=kind)
def test_gradients_reach_the_latents_and_nothing_else(objective):
    term = objective_term(objective, 2, 100, CPU)
    draws, mean, variance = correlated(torch.Generator().manual_seed(6), 30)
    leaves = [mean.requires_grad_(), variance.requires_grad_()]
    noise = (draws - mean.detach()) / variance.detach().sqrt()
    term.penalty(LatentBatch(mean + noise * variance.sqrt(), mean, variance)).backward()
    assert all(torch.isfinite(leaf.grad).all() for leaf in leaves if leaf.grad is not None)
    assert mean.grad.abs().max() > 0
    if isinstance(objective, FactorVAE):
        assert all(parameter.grad is None for parameter in term.discriminator.parameters())


@pytest.mark.parametrize("objective", [*WEIGHED, Plain()], ids=kind)
def test_a_minibatch_of_one_row(objective):
    row = LatentBatch(*(values[:1] for values in correlated(torch.Generator().manual_seed(7), 1)))
    assert torch.isfinite(objective_term(objective, 2, 100, CPU).penalty(row))


def loss_of(objective, beta: float = 1.0):
    """The step's loss at fixed networks and draws, its gradient, the likelihood it leaves and the penalty."""
    view = fv.views.Image((1, 4, 4), 2, "dense", beta=beta, objective=objective)
    torch.manual_seed(0)
    guide = one_view_guide(view).eval()
    images = torch.rand(N, 1, 4, 4)
    rows = guide.view_rows({NAME: images})
    step = NetworkStep(guide, [NAME], 1e-3, 10)
    torch.manual_seed(1)
    loss = step.loss(NAME, images, rows[NAME], standard_normal)
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in guide.parameters()])
    view_rows = rows[NAME]
    penalty = step.terms[NAME].penalty(LatentBatch(view_rows.draws, *view_rows.encoded))
    return loss.detach(), gradient, view_rows.log_likelihood, penalty.detach()


@pytest.mark.parametrize("objective", WEIGHTLESS, ids=kind)
def test_without_weight_the_loss_is_the_plain_one(objective):
    for ours, plain in zip(loss_of(objective), loss_of(Plain()), strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=0)


@pytest.mark.parametrize("beta", [1.0, 4.0])
@pytest.mark.parametrize("objective", WEIGHED, ids=kind)
def test_the_penalty_is_added_to_the_networks_loss_alone(objective, beta):
    """Divided by β as all but the likelihood's share is; the likelihood in the rows stays that of the bound."""
    loss, _, likelihood, penalty = loss_of(objective, beta)
    plain, _, expected, _ = loss_of(Plain(), beta)
    assert penalty != 0
    assert float(loss - plain) == pytest.approx(float(penalty) / beta, rel=1e-3)
    assert likelihood == expected


def test_the_steps_state_holds_the_discriminator():
    view = fv.views.Image((1, 4, 4), 2, "dense", objective=FactorVAE(hidden=(8,)))
    guide, images = one_view_guide(view).train(), torch.rand(N, 1, 4, 4)
    first, second = (NetworkStep(guide, [NAME], 1e-3, 10) for _ in range(2))
    first({NAME: images}, guide.view_rows({NAME: images}), standard_normal)
    second.load_state_dict(first.state_dict())
    learnt, copied = (step.terms[NAME].discriminator.state_dict() for step in (first, second))
    assert all(torch.equal(learnt[name], copied[name]) for name in learnt)
    assert second.terms[NAME].optimiser.state_dict()["state"]


def test_what_an_objective_learns_itself_stays_in_one_process():
    view = fv.views.Image((1, 8, 8), 4, objective=FactorVAE())
    guide = one_view_guide(view)
    with pytest.raises(SpecError, match="FactorVAE learns networks of its own, which 2 processes"):
        NetworkStep(guide, [NAME], 1e-3, 1, Processes(0, 2))
    NetworkStep(guide, [NAME], 1e-3, 1)
