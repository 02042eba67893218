"""What every weight prior must satisfy, whichever it is."""

import pyro
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from pyro_favae.inference.priors import WeightPriorPosterior, weight_prior_posterior
from pyro_favae.models.priors import WeightPrior

FEATURES, FACTORS = 7, 4


def check_weight_prior(prior: WeightPrior) -> None:
    """Check the inference half of a declared prior against its generative half and its own bound."""
    generator = torch.Generator().manual_seed(0)
    posterior = weight_prior_posterior(prior, FACTORS)
    squares = FEATURES * torch.rand(FACTORS, generator=generator, dtype=torch.float64) + 0.1
    check_update_is_the_optimum(posterior, squares, generator)
    check_rotated_elbo(prior, posterior, squares, generator)
    check_sites(prior, posterior)


def bound(posterior: WeightPriorPosterior, squares: Tensor, buffers: dict[str, Tensor]) -> Tensor:
    """The posterior's share of the bound with some of its buffers replaced."""

    class Share(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = posterior

        def forward(self) -> Tensor:
            return self.inner.elbo(squares, FEATURES)

    return torch.func.functional_call(Share(), {f"inner.{k}": v for k, v in buffers.items()}, ())


def check_update_is_the_optimum(posterior, squares: Tensor, generator: torch.Generator) -> None:
    """No gradient in any buffer of q after the update, and no neighbour higher."""
    posterior.update(squares, FEATURES)
    assert posterior.precision.shape == (FACTORS,)
    assert (posterior.precision > 0).all()
    state = {name: value.clone() for name, value in posterior.state_dict().items()}
    best = bound(posterior, squares, state)
    assert torch.isfinite(best)

    def gradients(values: dict[str, Tensor]) -> list[Tensor]:
        leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
        return torch.autograd.grad(bound(posterior, squares, leaves), list(leaves.values()))

    for name in state:
        near = {**state, name: state[name] * 1.1}
        position = list(state).index(name)
        zero, nearby = gradients(state)[position], gradients(near)[position]
        assert zero.abs().max() <= 1e-9 * nearby.abs().max(), name
    for size in (1e-3, 1e-2, 0.1, 0.5):
        for _ in range(10):
            near = {
                name: value * (size * torch.randn(value.shape, generator=generator).to(value)).exp()
                for name, value in state.items()
            }
            assert bound(posterior, squares, near) <= best + 1e-10 * best.abs()
    posterior.update(squares, FEATURES)
    for name, value in posterior.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=1e-12, atol=0.0)


def check_rotated_elbo(prior, posterior, squares: Tensor, generator: torch.Generator) -> None:
    """Its differences are those of the bound after an update, and it can be differentiated."""
    if posterior.rotated_elbo(squares, FEATURES) is None:
        return

    def after_update(values: Tensor) -> Tensor:
        posterior.update(values, FEATURES)
        return posterior.elbo(values, FEATURES)

    for _ in range(5):
        other = squares * (torch.rand(FACTORS, generator=generator, dtype=torch.float64) + 0.5)
        difference = after_update(other) - after_update(squares)
        predicted = posterior.rotated_elbo(other, FEATURES) - posterior.rotated_elbo(squares, FEATURES)
        torch.testing.assert_close(predicted, difference, rtol=1e-9, atol=1e-9)
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
    _, guide = latent_sites(lambda: posterior.sample("v"))
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
