"""Weights under any distribution: the integral, the steps, and what they end at."""

import numpy as np
import pytest
import torch
from scipy import integrate, optimize

import pyro_favae as fv
from pyro_favae.inference.order import sort_factors
from pyro_favae.inference.posterior import Posterior, ViewPosterior
from pyro_favae.inference.priors import weight_prior_posterior
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.statistics import ViewStatistics
from pyro_favae.inference.updates import WeightMoments
from pyro_favae.models.priors import Custom, FixedNoise, Normal, WeightPrior
from tests.inference import free_form
from tests.inference.problems import Problem, problem
from tests.inference.test_monotone import assert_no_fall

LAPLACE = Custom("Laplace", loc=0.0, scale=0.5)
PRIORS = [
    LAPLACE,
    Custom("Laplace", loc=0.3, scale=0.01),
    Custom("Logistic", loc=0.0, scale=1.0),
    Custom("Gumbel", loc=0.0, scale=1.0),
    Custom("StudentT", df=3.0, loc=0.0, scale=0.1),
    Custom("Cauchy", loc=0.0, scale=0.05),
]
PROBLEMS = ["real", "missing entries", "two binary views", "categorical", "encoder"]


def with_weights(p: Problem, prior: WeightPrior) -> Problem:
    """The problem with one prior on all weights, the rest of its posterior as it is."""
    for view in p.posterior.views:
        view.relevance = weight_prior_posterior(prior, view.n_features, view.weights_mean.shape[1] - 1)
    return p


@pytest.mark.parametrize(
    "prior",
    [Custom("Normal", loc=0.0, scale=1.0), Custom("Laplace", loc=0.0, scale=1.0)]
    + [Custom("StudentT", df=3.0, loc=0.0, scale=1.0), Custom("Cauchy", loc=0.0, scale=1.0)]
    + [Custom("Gumbel", loc=0.0, scale=1.0), Custom("Logistic", loc=0.0, scale=1.0)],
    ids=lambda prior: prior.distribution,
)
def test_the_integral(prior):
    """Against adaptive quadrature, to 1e-8 nats, wherever q lies and however wide it is."""
    density, posterior = prior.build(), weight_prior_posterior(prior, 1, 1)

    def integrand(z: float, mean: float, deviation: float) -> float:
        w = torch.tensor(mean + deviation * z, dtype=torch.float64)
        return float(density.log_prob(w)) * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)

    widths = (0.01, 1.0) if prior.distribution == "Gumbel" else (0.01, 1.0, 10.0)
    for mean in (0.0, 0.1, 5.0, -3.0):
        for deviation in widths:
            kink = np.clip(-mean / deviation, -10, 10)
            ends = sorted({-10.0, 10.0, kink, *np.clip(kink + np.array([-0.3, -0.01, 0.01, 0.3]), -10, 10)})
            expected = sum(
                integrate.quad(integrand, a, b, (mean, deviation), epsabs=1e-12, limit=200)[0]
                for a, b in zip(ends, ends[1:], strict=False)
            )
            q = WeightMoments(torch.tensor([[mean]]).double(), torch.tensor([[deviation**2]]).double())
            assert abs(float(posterior.elbo(q)) - expected) < 1e-8


def test_many_weights_are_integrated_a_block_at_a_time(monkeypatch):
    moments = WeightMoments(torch.randn(7, 3).double(), torch.rand(7, 3).double() + 0.1)
    whole, parts = (weight_prior_posterior(LAPLACE, 7, 3) for _ in range(2))
    whole.update(moments)
    expected = whole.density(moments)
    monkeypatch.setattr("pyro_favae.inference.priors.custom.BLOCK", 600)
    parts.update(moments)
    torch.testing.assert_close(parts.density(moments), expected)
    torch.testing.assert_close(parts.precision, whole.precision)
    torch.testing.assert_close(parts.shift, whole.shift)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_normal_is_a_normal(name):
    """Posterior and bound are those of the closed form."""
    pair = [
        with_weights(problem(name), prior)
        for prior in (Normal(precision=4.0), Custom("Normal", loc=0.0, scale=0.5))
    ]
    for p in pair:
        p.sweep(5)
    known, custom = pair
    assert custom.bound(custom.infer().statistics()) == pytest.approx(
        known.bound(known.infer().statistics()), rel=1e-9
    )
    for expected, actual in zip(known.posterior.views, custom.posterior.views, strict=True):
        torch.testing.assert_close(actual.weights_mean, expected.weights_mean, rtol=1e-7, atol=1e-7)
        covariance = expected.weights_covariance.expand_as(actual.weights_covariance)
        torch.testing.assert_close(actual.weights_covariance, covariance, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("prior", "name"),
    [(LAPLACE, name) for name in PROBLEMS] + [(prior, "all, many binary features") for prior in PRIORS],
    ids=str,
)
def test_steps_rise_to_where_the_bound_has_no_slope(prior, name):
    """In mean and covariance of q(W, b) by autograd, against the slope nearby."""
    p = with_weights(problem(name), prior)
    sums = p.infer(iterations=3).statistics()
    last = p.bound(sums)
    for view, part in zip(p.posterior.views, sums.views, strict=True):
        for _ in range(1000):
            before = view.weights_mean.clone()
            view.update_weights(part)
            value = p.bound(sums)
            assert_no_fall(last, value, "a step")
            last = value
            if (view.weights_mean - before).abs().max() < 1e-10:
                break
    for v, view in enumerate(p.posterior.views):
        at = {
            f"views.{v}.weights_mean": view.weights_mean.clone(),
            f"views.{v}.weights_covariance": view.weights_covariance.clone(),
        }
        slopes = gradients(p, sums, at)
        nearby = gradients(p, sums, {name: 1.1 * value for name, value in at.items()})
        for name_, slope in slopes.items():
            assert slope.abs().max() <= 1e-6 * nearby[name_].abs().max(), name_


def gradients(p: Problem, sums, at: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in at.items()}
    value = free_form.bound_at(p.posterior, sums, leaves)
    return dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))


@pytest.mark.parametrize("prior", PRIORS, ids=str)
def test_every_block_of_a_sweep_rises(prior):
    """Centring included; the factors are not rotated, and sorting them keeps the bound."""
    p = with_weights(problem("all, many binary features", n=25), prior)
    last = -float("inf")
    for _ in range(6):
        sums = p.infer(iterations=100, tolerance=1e-6).statistics()
        for view, part in zip(p.posterior.views, sums.views, strict=True):
            for step in (view.update_weights, view.update_noise):
                step(part)
                value = p.bound(sums)
                assert_no_fall(last, value, f"{step.__name__} of {view.name}")
                last = value
        p.posterior.factors.update(sums.factors)
        rotated = rotate(p.posterior, sums)
        assert rotated.gain >= 0
        value = p.bound(rotated.statistics)
        assert_no_fall(last, value, "centring")
        last = value
    before = p.bound(p.infer(300).statistics())
    sort_factors(p.posterior)
    assert p.bound(p.infer(300).statistics()) == pytest.approx(before, rel=1e-9)


def regression(prior: Custom, slope: float, n: int) -> tuple[ViewPosterior, ViewStatistics]:
    """One feature on one known factor with noise of precision 2: a fitted view and its sums."""
    model = fv.FAVAE(
        {"x": fv.views.Real(1, standardise="none", weights=prior, noise=FixedNoise(2.0))},
        1,
        bias_precision=1.0,
    )
    rng = np.random.default_rng(0)
    g, b = rng.normal(size=n), 0.4
    z = slope * g + b + rng.normal(size=n) / 2**0.5
    tilde = torch.as_tensor(np.stack([g, np.ones(n)], 1))
    z = torch.as_tensor(z)
    zero = torch.zeros(()).double()
    sums = ViewStatistics(
        n=torch.tensor([float(n)]).double(),
        gg=(tilde.mT @ tilde)[None],
        zg=(z[:, None] * tilde).sum(0)[None],
        zz=z.square().sum()[None],
        log_likelihood=zero,
        entropy=zero,
    )
    view = Posterior(model).view("x")
    for _ in range(100):
        view.update(sums)
    return view, sums


def log_joint(prior: Custom, sums: ViewStatistics, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """log p(z, w, b), on a grid."""
    (gg, g), (_, n) = sums.gg[0]
    (zg, z), zz = sums.zg[0], sums.zz[0]
    squares = zz - 2 * (w * zg + b * z) + w.square() * gg + 2 * w * b * g + b.square() * n
    likelihood = 0.5 * n * np.log(2 / (2 * np.pi)) - squares
    bias = -0.5 * b.square() - 0.5 * np.log(2 * np.pi)
    return likelihood + bias + prior.build().log_prob(w)


@pytest.mark.parametrize("slope", [0.0, 1.5])
@pytest.mark.parametrize("prior", [LAPLACE, Custom("StudentT", df=3.0, loc=0.0, scale=0.2)], ids=str)
def test_one_weight_against_exact_integration(prior, slope):
    """The bound lies below the evidence, by little, and no Gaussian does better."""
    view, sums = regression(prior, slope, n=20)
    fitted = float(sum(view.elbo(sums).values()))
    centre, spread = view.weights_mean[0], view.weights_covariance[0].diagonal().sqrt()
    steps = torch.linspace(-8, 8, 321, dtype=torch.float64)
    axes = [steps * s + c for c, s in zip(centre, spread, strict=True)]
    w, b = torch.meshgrid(*axes, indexing="ij")
    joint = log_joint(prior, sums, w, b)
    cell = float((axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0]))
    evidence = float(torch.logsumexp(joint.flatten(), 0)) + np.log(cell)
    print(f"evidence {evidence:.6f}, bound {evidence - fitted:.6f} nats below it")
    assert fitted <= evidence + 1e-9
    assert evidence - fitted < 0.05

    def loss(q: np.ndarray) -> float:
        root = torch.tensor([[np.exp(q[2]), 0.0], [q[3], np.exp(q[4])]], dtype=torch.float64)
        gaussian = torch.distributions.MultivariateNormal(torch.tensor(q[:2]), scale_tril=root)
        density = gaussian.log_prob(torch.stack([w, b], -1))
        return -float((density.exp() * (joint - density)).sum()) * cell

    root = torch.linalg.cholesky(view.weights_covariance[0])
    start = np.array([*centre, root[0, 0].log(), root[1, 0], root[1, 1].log()])
    assert -loss(start) == pytest.approx(fitted, abs=1e-4)
    best = optimize.minimize(loss, start, method="Nelder-Mead", options={"maxfev": 300})
    assert -best.fun <= -loss(start) + 1e-5


def test_laplace_recovers_sparse_weights_better_than_normal():
    """One view, two known columns of factors as a second: few of its features depend on any."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(60, 4))
    truth = rng.normal(size=(30, 4)) * (rng.random((30, 4)) < 0.15)
    data = {"anchor": factors, "x": factors @ truth.T + rng.normal(size=(60, 30))}

    def error(weights: WeightPrior) -> float:
        views = {
            "anchor": fv.views.Real(4, standardise="none", noise=FixedNoise(1e4)),
            "x": fv.views.Real(30, standardise="none", weights=weights),
        }
        fit = fv.fit(fv.FAVAE(views, 4), data, epochs=60, seed=0, progress=False, device="cpu")
        turn = np.linalg.pinv(fit.weights("anchor"))  # the anchor's features are the factors
        return float(np.square(fit.weights("x") @ turn - truth).mean())

    laplace, normal = error(Custom("Laplace", loc=0.0, scale=0.1)), error(Normal())
    print(f"mean squared error of the weights: Laplace {laplace:.4f}, normal {normal:.4f}")
    assert laplace < 0.7 * normal
