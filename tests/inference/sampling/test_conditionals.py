"""Each conditional is that of the model's own log joint density, by autograd."""

from functools import partial

import pyro
import pytest
import torch
from pyro import poutine
from scipy.stats import geninvgauss, kstest

from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.priors import feature_ard
from pyro_favae.inference.sampling import Chains, Globals, conditionals, draw_factors, orbit, table
from pyro_favae.inference.scale_step import draw_scale
from pyro_favae.inference.updates import GammaPosterior
from tests.inference.sampling.simulated import (
    ROWS,
    SIZES,
    WEIGHT_PRIORS,
    WHOLE,
    WITHOUT_A_VIEW,
    WITHOUT_ENTRIES,
    declared,
    log_joint,
    prior_draws,
    started,
)

CHAINS = 3


@pytest.fixture(
    params=[(WHOLE, False), (WITHOUT_A_VIEW, False), (WITHOUT_ENTRIES, True)],
    ids=["whole", "a view missing", "entries missing"],
)
def chains(request) -> Chains:
    torch.manual_seed(0)
    mask, per_feature = request.param
    model = declared(per_feature=per_feature)
    chains = started(model, prior_draws(model, CHAINS), mask)
    chains.model = model
    return chains


def density(chains: Chains, chain: int, **changed: torch.Tensor) -> torch.Tensor:
    """Log joint density of one chain with some sites changed."""
    sites = {name: value[chain] for name, value in chains.sites().items()} | {
        "factors": chains.factors[chain]
    }
    latents, mask = chains.table.latents[chain], chains.table.mask
    parts = dict(zip(SIZES, latents.split(list(SIZES.values()), 1), strict=True))
    observed = dict(zip(SIZES, (mask > 0).split(list(SIZES.values()), 1), strict=True))
    return log_joint(chains.model, sites | changed, parts, observed)


def moments(monkeypatch, draw, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (..., K) and covariance (..., K, K) of a Gaussian draw, from what standard normal noise makes of it."""

    def with_noise(k: int | None) -> torch.Tensor:
        def noise(like: torch.Tensor) -> torch.Tensor:
            value = torch.zeros_like(like)
            if k is not None:
                value[..., k, :] = 1  # the noise is (..., K, n)
            return value

        monkeypatch.setattr(torch, "randn_like", noise)
        drawn = draw()
        monkeypatch.undo()
        return drawn

    mean = with_noise(None)
    roots = torch.stack([with_noise(k) - mean for k in range(size)], -1)
    return mean, roots @ roots.mT


def assert_gaussian(function, mean: torch.Tensor, covariance: torch.Tensor) -> None:
    """A log density of vectors (n, K) that are independent: no gradient at the mean, and the Hessian that belongs."""
    at = mean.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(at), at)
    assert gradient.abs().max() < 1e-8
    hessian = torch.autograd.functional.hessian(function, mean)
    for i, one in enumerate(covariance):
        torch.testing.assert_close(torch.linalg.inv(one), -hessian[i, :, i])


@pytest.mark.parametrize("few_patterns", [0, 16])
def test_factors(chains, monkeypatch, few_patterns):
    def draw() -> torch.Tensor:
        monkeypatch.setattr(table, "FEW_PATTERNS", few_patterns)
        return draw_factors(chains.table, chains.globals)

    mean, covariance = moments(monkeypatch, draw, 2)
    assert_gaussian(lambda g: density(chains, 1, factors=g), mean[1], covariance[1])


def test_a_chunk_of_rows_is_like_all(chains, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    sums = [conditionals.view_sums(view, chains.factors) for view in chains.table.views]
    mean = draw_factors(chains.table, chains.globals)
    monkeypatch.setattr(table, "FEW_PATTERNS", 0)
    monkeypatch.setattr(conditionals, "CHUNK_BYTES", 1)
    del chains.table.__dict__["pattern_rows"]
    torch.testing.assert_close(draw_factors(chains.table, chains.globals), mean)
    for view, expected in zip(chains.table.views, sums, strict=True):
        for part, whole in zip(conditionals.view_sums(view, chains.factors), expected, strict=True):
            torch.testing.assert_close(part, whole)


@pytest.mark.parametrize("view", [0, 1])
def test_weights_and_bias(chains, monkeypatch, view):
    own, rows = chains.views[view], chains.table.views[view]
    sums = conditionals.view_sums(rows, chains.factors)
    draw = partial(conditionals.draw_weights, sums, own.prior_precision, own.noise)
    mean, covariance = moments(monkeypatch, draw, 3)
    name = own.posterior.name

    def function(w: torch.Tensor) -> torch.Tensor:
        return density(chains, 2, **{f"{name}.weights": w[:, :-1], f"{name}.bias": w[:, -1]})

    assert_gaussian(function, mean[2], covariance[2])


def assert_gamma(function, q: GammaPosterior, chain: int) -> None:
    """A log density of positive numbers whose slope is (shape − 1) / x − rate."""
    shape, rate = q.shape.expand_as(q.rate)[chain], q.rate[chain]
    for scale in (0.5, 2.0):
        at = (scale * shape / rate).requires_grad_()
        (slope,) = torch.autograd.grad(function(at), at)
        torch.testing.assert_close(slope, (shape - 1) / at.detach() - rate)


@pytest.fixture
def recorded(monkeypatch) -> list[tuple[GammaPosterior, torch.Tensor]]:
    """Each Gamma that was drawn from, and the draw."""
    drawn, draw = [], GammaPosterior.draw

    def recording(q: GammaPosterior) -> torch.Tensor:
        drawn.append((q, draw(q)))
        return drawn[-1][1]

    monkeypatch.setattr(GammaPosterior, "draw", recording)
    return drawn


def test_noise(chains, recorded):
    own, sums = chains.views[0], conditionals.view_sums(chains.table.views[0], chains.factors)
    own.posterior.noise.redraw(sums.n, conditionals.squared_residuals(sums, own.weights))
    ((q, _),) = recorded
    like = chains.sites()["a.noise_precision"][1].shape

    def function(noise: torch.Tensor) -> torch.Tensor:
        return density(chains, 1, **{"a.noise_precision": noise.reshape(like)})

    assert_gamma(function, q, 1)


@pytest.mark.parametrize("name", ["ARD", "FeatureARD", "Horseshoe"])
def test_what_stands_above_the_weights(monkeypatch, recorded, name):
    torch.manual_seed(0)
    model = declared(WEIGHT_PRIORS[name])
    favae, guide = pyro_pair(model)
    sites = prior_draws(model, CHAINS)
    start = {site.removeprefix("a."): value for site, value in sites.items() if site.startswith("a.")}
    monkeypatch.setattr(feature_ard, "draw_scale", lambda exponent, up, down: torch.ones_like(up))
    after = guide.posterior.view("a").relevance.redraw(start, start["weights"])
    assert len(recorded) == len(after)
    state = start | {}
    for q, draw in recorded:
        site = next(site for site, value in after.items() if torch.equal(value, draw))

        def function(value: torch.Tensor, site=site) -> torch.Tensor:
            values = {f"a.{other}": known[0] for other, known in state.items()} | {f"a.{site}": value}
            with pyro.validation_enabled(False):
                return (
                    poutine.trace(poutine.condition(favae._sample_view, values)).get_trace("a").log_prob_sum()
                )

        assert_gamma(function, q, 0)
        state[site] = draw


def test_the_scale_that_two_relevances_share(monkeypatch):
    """With the step along it and without, what is drawn is distributed alike."""
    torch.manual_seed(0)
    model = declared(WEIGHT_PRIORS["FeatureARD"])
    _, guide = pyro_pair(model)
    prior = guide.posterior.view("a").relevance
    weights = torch.randn(SIZES["a"], 2, dtype=torch.float64).expand(5000, -1, -1)

    def logs() -> torch.Tensor:
        sites = {"relevance": torch.ones(5000, 2, dtype=torch.float64)}
        for _ in range(30):
            sites = prior.redraw(sites, weights)
        return sites["relevance"].log().sum(1) - sites["feature_relevance"].log().sum(1)

    stepping = logs()
    monkeypatch.setattr(feature_ard, "draw_scale", lambda exponent, up, down: torch.ones_like(up))
    assert kstest(stepping.numpy(), logs().numpy()).pvalue > 1e-3


@pytest.mark.parametrize(("exponent", "up", "down"), [(3.5, 2.0, 0.5), (-40.0, 0.1, 30.0), (0.0, 1e-6, 2.0)])
def test_scale_steps_follow_the_generalised_inverse_gaussian(exponent, up, down):
    torch.manual_seed(0)
    u = torch.ones(4000, dtype=torch.float64)
    for _ in range(20):
        u = u * draw_scale(exponent, up * u, down / u)
    exact = geninvgauss(exponent, 2 * (up * down) ** 0.5, scale=(down / up) ** 0.5)
    assert kstest(u.numpy(), exact.cdf).pvalue > 1e-3


def test_moves_change_no_likelihood(chains):
    latents = chains.factors @ chains.globals.weights[..., :-1].mT + chains.globals.weights[:, None, :, -1]
    before = chains.factors
    chains._move()
    after = chains.factors @ chains.globals.weights[..., :-1].mT + chains.globals.weights[:, None, :, -1]
    torch.testing.assert_close(after, latents)
    assert (chains.factors - before).abs().max() > 0.01


@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_shears(chains, monkeypatch, column, compressed):
    """Their Gaussian is the density along the orbit; the Jacobian of a shear is 1."""
    extended = torch.cat([chains.factors, torch.ones(CHAINS, ROWS, 1, dtype=torch.float64)], -1)
    weights, precisions = [v.weights for v in chains.views], [v.prior_precision for v in chains.views]
    if compressed:
        rows, precision = orbit._compressed(weights, precisions)
    else:
        rows, precision = (
            torch.cat(weights, 1),
            torch.cat([p.expand_as(w) for p, w in zip(precisions, weights, strict=True)], 1),
        )
    draw = partial(orbit._draw_shear, column, extended.mT @ extended, rows, precision)
    mean, covariance = moments(monkeypatch, draw, 3)
    free = [k for k in range(2) if k != column]

    def function(shear: torch.Tensor) -> torch.Tensor:
        change = torch.eye(3, dtype=torch.float64)
        change[free, column] = shear[0]
        sites = {"factors": (extended[1] @ change.mT)[:, :-1]}
        for view in chains.views:
            w = view.weights[1] @ torch.linalg.inv(change)
            sites |= {f"{view.posterior.name}.weights": w[:, :-1], f"{view.posterior.name}.bias": w[:, -1]}
        return density(chains, 1, **sites)

    assert_gaussian(function, mean[1:2, free], covariance[1:2][:, free][:, :, free])
    others = [k for k in range(3) if k not in free]
    assert not mean[1, others].any()


def test_globals_of_views_stand_side_by_side():
    weights = [torch.randn(2, size, 3) for size in (4, 1)]
    noise = [torch.rand(2, 1), torch.rand(2, 1)]
    joined = Globals.joined(list(zip(weights, noise, strict=True)))
    assert joined.weights.shape == (2, 5, 3)
    torch.testing.assert_close(joined.noise, torch.cat([noise[0].expand(2, 4), noise[1]], 1))
