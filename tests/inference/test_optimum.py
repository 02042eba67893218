"""Each closed-form update is the exact optimum of its block: no gradient left, no perturbation that gains."""

import math

import pytest
import torch
from torch import Tensor

from tests.inference import free_form
from tests.inference.problems import CLOSED_FORM, COMBINATIONS, LOGISTIC, Problem, problem

GENERATOR = torch.Generator().manual_seed(1)


def perturbed(value: Tensor, size: float, *, positive: bool, symmetric: bool) -> Tensor:
    """A random neighbour that keeps signs, or positive definiteness, where the block needs it."""
    noise = torch.randn(value.shape, generator=GENERATOR, dtype=value.dtype)
    if symmetric:
        change = torch.eye(value.shape[-1]).to(value) + size * noise
        return change @ value @ change.mT
    return value * (size * noise).exp() if positive else value + size * noise


def kind_of(name: str) -> dict[str, bool]:
    positive = ("shape", "rate", "dirichlet", "variance", "scale", "xi", "counts")
    return {
        "symmetric": "covariance" in name or "scatter" in name,
        "positive": any(word in name.split(".")[-1] or word in name.split(".")[0] for word in positive),
    }


def assert_optimum(function, at: dict[str, Tensor], what: str = "") -> None:
    """No gradient at the optimum relative to one nearby, and no neighbour higher."""

    def gradient(values: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        leaves = {name: value.detach().clone().requires_grad_() for name, value in values.items()}
        value = function(leaves)
        return value.detach(), dict(
            zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True)
        )

    best, zero = gradient(at)
    for name in at:
        # moved alone, so that a block whose optimum does not depend on the others is judged by itself
        near = {**at, name: perturbed(at[name], 0.1, **kind_of(name))}
        _, nearby = gradient(near)
        residual, scale = float(zero[name].abs().max()), float(nearby[name].abs().max())
        assert residual <= 1e-7 * scale, f"{what} {name}: gradient {residual:.3g}, nearby {scale:.3g}"
    for size in (1e-3, 1e-2, 1e-1, 0.5):
        for _ in range(5):
            near = {name: perturbed(value, size, **kind_of(name)) for name, value in at.items()}
            gain = float(function(near) - best)
            assert gain <= 1e-10 * abs(float(best)), f"{what}: a step of {size} gains {gain:.3g} nats"


def buffers(p: Problem, *names: str) -> dict[str, Tensor]:
    state = p.posterior.state_dict()
    return {name: state[name] for name in names}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_the_differentiable_bound_is_the_named_terms(name):
    p = problem(name)
    rows = p.infer()
    sums = rows.statistics()
    rebuilt = free_form.statistics(p, free_form.read(p, rows))
    for first, second in zip((*sums.views, sums.factors), (*rebuilt.views, rebuilt.factors), strict=True):
        for field in first.__dataclass_fields__:
            if getattr(first, field) is None:
                assert getattr(second, field) is None
                continue
            torch.testing.assert_close(getattr(second, field), getattr(first, field), rtol=1e-9, atol=1e-9)
    assert math.isclose(p.bound(sums), float(free_form.bound(p.posterior, rebuilt)), rel_tol=1e-9)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_rows(name):
    """q(component), q(g | z, component), q(z | g, W) of logits, and ξ and shift of their bound, all at once."""
    p = problem(name)
    free = free_form.read(p, p.infer(iterations=500))
    fixed = {k: v for k, v in free.parameters().items() if k.startswith(("mean.", "variance."))}
    at = {k: v for k, v in free.parameters().items() if k not in fixed}
    if at["logits"].shape[1] == 1:
        fixed["logits"] = at.pop("logits")

    def function(values: dict[str, Tensor]) -> Tensor:
        return free_form.bound(p.posterior, free_form.statistics(p, free.replaced(fixed | values)))

    assert_optimum(function, at)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("block", ["weights", "relevance", "noise"])
def test_view_blocks(name, block):
    p = problem(name)
    sums = p.infer(iterations=3).statistics()
    for v, posterior in enumerate(p.posterior.views):
        if block == "weights":
            posterior.update_weights(sums.views[v])
            names = (f"views.{v}.weights_mean", f"views.{v}.weights_covariance")
        elif block == "relevance":
            posterior.relevance.update(posterior.weights.moments)
            names = (f"views.{v}.relevance.shape", f"views.{v}.relevance.rate")
        else:
            posterior.update_noise(sums.views[v])
            names = (f"views.{v}.noise.shape", f"views.{v}.noise.rate")
        assert_optimum(
            lambda values: free_form.bound_at(p.posterior, sums, values), buffers(p, *names), block
        )


@pytest.mark.parametrize("name", ["mixture", "all"])
def test_components_of_a_mixture(name):
    p = problem(name)
    sums = p.infer(iterations=3).statistics()
    p.posterior.factors.update(sums.factors)
    names = ("factors.means", "factors.covariance", "factors.dirichlet")
    assert_optimum(lambda values: free_form.bound_at(p.posterior, sums, values), buffers(p, *names))


@pytest.mark.parametrize("name", ["groups", "groups, missing entries"])
def test_means_and_scales_of_groups(name):
    """Each given the other: means are set first."""
    p = problem(name)
    sums = p.infer(iterations=3).statistics()
    factors, scales = p.posterior.factors, p.posterior.factors.scatter.clone()
    counts = factors.counts.clone()
    factors.update(sums.factors)
    names = ("factors.counts", "factors.scatter")
    assert_optimum(lambda values: free_form.bound_at(p.posterior, sums, values), buffers(p, *names))
    factors.scatter.copy_(scales)
    factors.counts.copy_(counts)
    names = ("factors.means", "factors.covariance")
    assert_optimum(lambda values: free_form.bound_at(p.posterior, sums, values), buffers(p, *names))


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_the_conjugate_update_of_weights_is_the_exact_posterior(name):
    """Given the rows' moments, q(W, b) is Bayes' rule for a linear regression, feature by feature.

    On z where it is known; on h / 2λ, the answer that logits were bounded by, where they are integrated out: their
    noise is then 1/τ + 1/2λ.
    """
    p = problem(name)
    rows = p.infer(iterations=3)
    sums = rows.statistics()
    g = torch.nn.functional.pad(rows.factors, (0, 1), value=1.0)
    moments = g[:, :, None] * g[:, None, :]
    moments[:, :-1, :-1] += rows.spread()
    for v, posterior in enumerate(p.posterior.views):
        tau = posterior.noise.mean.expand(posterior.n_features)
        local, mask = rows.views[v], p.observed[v].expand_as(p.data[v])
        weight, answers = tau.expand_as(p.data[v]), p.data[v]
        if p.kinds[v] in LOGISTIC:
            curvature = local.total_precision - tau
            weight = 1 / (1 / tau + 1 / curvature)
            answers = local.total_precision * local.latent_mean(torch.zeros_like(answers)) / curvature
        posterior.update_weights(sums.views[v])
        prior = torch.cat([posterior.relevance.precision, tau.new_tensor([p.declaration.bias_precision])])
        precision = torch.diag(prior) + torch.einsum("nd,nkl->dkl", mask * weight, moments)
        right = torch.einsum("nd,nk->dk", mask * weight * answers, g)
        mean = torch.linalg.solve(precision, right)
        torch.testing.assert_close(posterior.weights_mean, mean, rtol=1e-10, atol=1e-10)
        covariance = torch.linalg.inv(precision)
        actual = posterior.weights_covariance.expand_as(covariance)
        torch.testing.assert_close(actual, covariance, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["real", "missing entries"])
@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
def test_real_views_given_the_globals_are_exact_inference(name, missing):
    """With known W, b and τ a row's q(g) is the posterior given what is observed of it."""
    p = problem(name, missing=missing)
    with torch.no_grad():
        for view in p.posterior.views:
            view.weights_covariance.mul_(1e-14)
    rows = p.infer()
    weights = torch.cat([view.weights.weights for view in p.posterior.views])
    bias = torch.cat([view.weights.bias for view in p.posterior.views])
    tau = torch.cat([view.noise.mean.expand(view.n_features) for view in p.posterior.views])
    z = torch.cat(p.data, 1)
    observed = torch.cat([mask.expand_as(values) for mask, values in zip(p.observed, p.data, strict=True)], 1)
    for n, seen in enumerate(observed):
        w = weights[seen]
        gain = torch.linalg.solve(w @ w.mT + torch.diag(1 / tau[seen]), w)
        mean = (z[n] - bias)[seen] @ gain
        covariance = torch.eye(3) - w.mT @ gain
        actual = rows.covariance.matrices[rows.covariance.index[n]]
        torch.testing.assert_close(rows.factors[n], mean, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(actual, covariance, rtol=1e-10, atol=1e-10)
