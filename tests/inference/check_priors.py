"""What every weight prior must satisfy, whichever it is."""

import pyro
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from pyro_favae.inference.priors import (
    NonConjugatePosterior,
    WeightPriorPosterior,
    weight_prior_posterior,
)
from pyro_favae.inference.updates import WeightMoments
from pyro_favae.models.priors import WeightPrior

FEATURES, FACTORS = 7, 4


def check_weight_prior(prior: WeightPrior) -> None:
    """Check the inference half of a declared prior against its generative half and its own bound."""
    generator = torch.Generator().manual_seed(0)
    posterior = weight_prior_posterior(prior, FEATURES, FACTORS)
    mean = 0.5 * torch.randn(FEATURES, FACTORS, generator=generator, dtype=torch.float64)
    variance = torch.rand(FEATURES, FACTORS, generator=generator, dtype=torch.float64) + 0.1
    moments = WeightMoments(mean, variance)
    check_updates_rise(posterior, moments)
    check_update_is_the_optimum(posterior, moments, generator)
    check_slopes(posterior, moments)
    check_density(posterior, moments)
    check_symmetry(prior, posterior)
    check_rotated_elbo(posterior, moments, generator)
    check_sites(prior, posterior)


def bound(posterior: WeightPriorPosterior, moments: WeightMoments, buffers: dict[str, Tensor]) -> Tensor:
    """The posterior's share of the bound with some of its buffers replaced."""

    class Share(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = posterior

        def forward(self) -> Tensor:
            return self.inner.elbo(moments)

    return torch.func.functional_call(Share(), {f"inner.{k}": v for k, v in buffers.items()}, ())


def check_updates_rise(posterior: WeightPriorPosterior, moments: WeightMoments) -> None:
    """No update lowers the bound, until there is nothing to gain; a conjugate prior's precision stays positive."""
    posterior.update(moments)
    values = [posterior.elbo(moments)]
    for _ in range(3 if isinstance(posterior, NonConjugatePosterior) else 300):
        posterior.update(moments)
        values.append(posterior.elbo(moments))
        assert posterior.precision.shape in ((FACTORS,), (FEATURES, FACTORS))
        assert (posterior.precision > 0).all() or isinstance(posterior, NonConjugatePosterior)
    assert torch.isfinite(values[-1])
    assert (torch.stack(values).diff() >= -1e-12 * values[-1].abs()).all()


def check_update_is_the_optimum(posterior, moments: WeightMoments, generator: torch.Generator) -> None:
    """No gradient in any buffer of q where updates have converged, and no neighbour higher."""
    state = {name: value.clone() for name, value in posterior.state_dict().items()}
    if not state:
        return
    best = bound(posterior, moments, state)

    def gradients(values: dict[str, Tensor]) -> list[Tensor]:
        leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
        return torch.autograd.grad(bound(posterior, moments, leaves), list(leaves.values()))

    for position, name in enumerate(state):
        near = {**state, name: moved(name, state[name], torch.full_like(state[name], 0.1))}
        zero, nearby = gradients(state)[position], gradients(near)[position]
        assert zero.abs().max() <= 1e-9 * nearby.abs().max(), name
    for size in (1e-3, 1e-2, 0.1, 0.5):
        for _ in range(10):
            near = {
                name: moved(name, value, size * torch.randn(value.shape, generator=generator).to(value))
                for name, value in state.items()
            }
            assert bound(posterior, moments, near) <= best + 1e-10 * best.abs()


def moved(name: str, value: Tensor, step: Tensor) -> Tensor:
    """A neighbour: of a probability on the scale of logits, of everything else on that of logarithms."""
    return (value.logit() + step).sigmoid() if name == "probability" else value * step.exp()


def check_slopes(posterior: WeightPriorPosterior, moments: WeightMoments) -> None:
    """In the weights' moments the bound has the slopes of the Gaussian that their update takes the prior for."""
    leaves = WeightMoments(*(value.clone().requires_grad_() for value in moments))
    in_mean, in_variance = torch.autograd.grad(posterior.elbo(leaves), leaves)
    precision = posterior.precision.expand(FEATURES, FACTORS)
    shift = 0.0 if posterior.shift is None else posterior.shift
    torch.testing.assert_close(in_mean, shift - precision * moments.mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(in_variance, -0.5 * precision, rtol=1e-10, atol=0.0)


def check_density(posterior: WeightPriorPosterior, moments: WeightMoments) -> None:
    """Under a prior that is not conjugate each feature has its part of the bound."""
    if not isinstance(posterior, NonConjugatePosterior):
        return
    parts = posterior.density(moments)
    assert parts.shape == (FEATURES,)
    moved = WeightMoments(moments.mean.clone(), moments.variance)
    moved.mean[0] += 0.5
    change = posterior.density(moved) - parts
    assert (change[1:] == 0).all()
    torch.testing.assert_close(posterior.elbo(moved) - posterior.elbo(moments), change[0])


def check_symmetry(prior: WeightPrior, posterior: WeightPriorPosterior) -> None:
    """A prior is symmetric if the weights it draws are as likely with the other sign."""

    def log_prob(turn: float) -> Tensor:
        plate = pyro.plate("v.features", FEATURES, dim=-1)
        drawn = poutine.trace(prior.sample).get_trace("v", plate, FACTORS, torch.device("cpu"))
        values = {name: site["value"] for name, site in drawn.nodes.items() if site["type"] == "sample"}
        values["v.weights"] = turn * torch.linspace(0.1, 2.0, FEATURES * FACTORS).double().reshape(
            FEATURES, FACTORS
        )
        conditioned = poutine.condition(prior.sample, data=values)
        return poutine.trace(conditioned).get_trace("v", plate, FACTORS, torch.device("cpu")).log_prob_sum()

    pyro.set_rng_seed(0)
    here = log_prob(1.0)
    pyro.set_rng_seed(0)
    turned = log_prob(-1.0)
    assert torch.isclose(here, turned, rtol=1e-9, atol=0.0) == posterior.symmetric


def check_rotated_elbo(posterior, moments: WeightMoments, generator: torch.Generator) -> None:
    """Its differences are those of the bound after an update, or less where features have precisions too."""
    weights = posterior.feature_precision
    weights = torch.ones(FEATURES, dtype=torch.float64) if weights is None else weights.clone()
    squares = weights @ moments.second
    if posterior.rotated_elbo(squares, FEATURES) is None:
        return
    state = {name: value.clone() for name, value in posterior.state_dict().items()}
    here = posterior.elbo(moments)
    for _ in range(5):
        scale = torch.rand(FACTORS, generator=generator, dtype=torch.float64) + 0.5
        predicted = posterior.rotated_elbo(scale * squares, FEATURES)
        predicted = predicted - posterior.rotated_elbo(squares, FEATURES)
        scaled = WeightMoments(scale.sqrt() * moments.mean, scale * moments.variance)
        posterior.update(scaled)
        difference = posterior.elbo(scaled) - here
        posterior.load_state_dict(state)
        if posterior.feature_precision is None:
            torch.testing.assert_close(predicted, difference, rtol=1e-9, atol=1e-9)
        else:
            assert predicted <= difference + 1e-9 * difference.abs()
    leaf = squares.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(posterior.rotated_elbo(leaf, FEATURES), leaf)
    assert torch.isfinite(gradient).all()
    assert (gradient < 0).all()


def check_sites(prior: WeightPrior, posterior: WeightPriorPosterior) -> None:
    """The guide's sites are the model's, the weights apart, with the same shapes and supports."""

    def model() -> Tensor:
        return prior.sample("v", pyro.plate("v.features", FEATURES, dim=-1), FACTORS, torch.device("cpu"))

    weights, sites = latent_sites(model)
    assert weights.shape == (FEATURES, FACTORS)
    assert sites.pop("v.weights")["value"].shape == (FEATURES, FACTORS)
    _, guide = latent_sites(lambda: posterior.sample("v", pyro.plate("v.features", FEATURES, dim=-1)))
    assert sites.keys() == guide.keys()
    for name, site in sites.items():
        assert guide[name]["value"].shape == site["value"].shape, name
        assert guide[name]["value"].dtype == site["value"].dtype, name
        assert [f.name for f in guide[name]["cond_indep_stack"]] == [
            f.name for f in site["cond_indep_stack"]
        ], name


def latent_sites(function) -> tuple:
    """What a program returned, and its latent sites."""
    trace = poutine.trace(function).get_trace()
    sites = {
        name: site
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site["is_observed"] and not site_is_subsample(site)
    }
    return trace.nodes["_RETURN"]["value"], sites
