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
    posterior = weight_prior_posterior(prior, FEATURES, FACTORS)
    second = torch.rand(FEATURES, FACTORS, generator=generator, dtype=torch.float64) + 0.1
    check_updates_rise(posterior, second)
    check_update_is_the_optimum(posterior, second, generator)
    check_precision(posterior, second)
    check_rotated_elbo(posterior, second, generator)
    check_sites(prior, posterior)


def bound(posterior: WeightPriorPosterior, second: Tensor, buffers: dict[str, Tensor]) -> Tensor:
    """The posterior's share of the bound with some of its buffers replaced."""

    class Share(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = posterior

        def forward(self) -> Tensor:
            return self.inner.elbo(second)

    return torch.func.functional_call(Share(), {f"inner.{k}": v for k, v in buffers.items()}, ())


def check_updates_rise(posterior: WeightPriorPosterior, second: Tensor) -> None:
    """No update lowers the bound, until there is nothing to gain; the precision is positive throughout."""
    posterior.update(second)
    values = [posterior.elbo(second)]
    for _ in range(300):
        posterior.update(second)
        values.append(posterior.elbo(second))
        assert posterior.precision.shape in ((FACTORS,), (FEATURES, FACTORS))
        assert (posterior.precision > 0).all()
    assert torch.isfinite(values[-1])
    assert (torch.stack(values).diff() >= -1e-12 * values[-1].abs()).all()


def check_update_is_the_optimum(posterior, second: Tensor, generator: torch.Generator) -> None:
    """No gradient in any buffer of q where updates have converged, and no neighbour higher."""
    state = {name: value.clone() for name, value in posterior.state_dict().items()}
    if not state:
        return
    best = bound(posterior, second, state)

    def gradients(values: dict[str, Tensor]) -> list[Tensor]:
        leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
        return torch.autograd.grad(bound(posterior, second, leaves), list(leaves.values()))

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
            assert bound(posterior, second, near) <= best + 1e-10 * best.abs()


def moved(name: str, value: Tensor, step: Tensor) -> Tensor:
    """A neighbour: of a probability on the scale of logits, of everything else on that of logarithms."""
    return (value.logit() + step).sigmoid() if name == "probability" else value * step.exp()


def check_precision(posterior: WeightPriorPosterior, second: Tensor) -> None:
    """What the bound loses to <w²> is half the precision that the weights are updated with."""
    leaf = second.clone().requires_grad_()
    (slope,) = torch.autograd.grad(posterior.elbo(leaf), leaf)
    expected = -0.5 * posterior.precision.expand(FEATURES, FACTORS)
    torch.testing.assert_close(slope, expected, rtol=1e-10, atol=0.0)


def check_rotated_elbo(posterior, second: Tensor, generator: torch.Generator) -> None:
    """Its differences are those of the bound after an update, or less where features have precisions too."""
    weights = posterior.feature_precision
    weights = torch.ones(FEATURES, dtype=torch.float64) if weights is None else weights.clone()
    squares = weights @ second
    if posterior.rotated_elbo(squares, FEATURES) is None:
        return
    state = {name: value.clone() for name, value in posterior.state_dict().items()}
    here = posterior.elbo(second)
    for _ in range(5):
        scale = torch.rand(FACTORS, generator=generator, dtype=torch.float64) + 0.5
        predicted = posterior.rotated_elbo(scale * squares, FEATURES)
        predicted = predicted - posterior.rotated_elbo(squares, FEATURES)
        posterior.update(scale * second)
        difference = posterior.elbo(scale * second) - here
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
