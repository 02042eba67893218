"""Any distribution over the real line as a declaration."""

import pyro
import pyro.distributions as dist
import pytest
import torch

from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.priors import Custom

ONE = torch.tensor(1.0)
REAL = [
    dist.Normal(0.5, 2.0),
    dist.Laplace(0.0, 1.0),
    dist.Cauchy(0.0, 0.1),
    dist.StudentT(3.0, 0.0, 1.0),
    dist.StudentT(0.2, 0.0, 1.0),
    dist.Gumbel(100.0, 0.01),
    dist.Logistic(0.0, 1.0),
    dist.SoftLaplace(0.0, 1.0),
    dist.AsymmetricLaplace(0 * ONE, ONE, 2 * ONE),
    torch.distributions.Laplace(0.0, 3.0),
]


@pytest.mark.parametrize("instance", REAL, ids=str)
def test_an_instance_is_its_name_and_numbers(instance):
    prior = Custom(instance)
    values = {name: float(getattr(instance, name)) for name in instance.arg_constraints}
    assert Custom(type(instance).__name__, **dict(prior.parameters)) == prior
    assert dict(prior.parameters) == pytest.approx(values, rel=1e-6)
    assert from_json(to_json(prior)) == prior
    assert hash(from_json(to_json(prior))) == hash(prior)
    x = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(
        prior.build().log_prob(x.double()).float(), instance.log_prob(x), rtol=1e-4, atol=1e-4
    )


def test_single_precision_is_read_as_it_was_written():
    assert Custom(dist.Laplace(0.1, 0.3)) == Custom("Laplace", loc=0.1, scale=0.3)
    assert Custom(dist.Laplace(ONE.double() / 3, 1.0)) == Custom("Laplace", loc=1 / 3, scale=1)
    assert Custom("Laplace", loc=0.0, scale=1.0) != Custom("Laplace", loc=0.0, scale=2.0)
    assert Custom("Laplace", scale=1, loc=0) == Custom("Laplace", {"loc": 0.0, "scale": 1.0})


def test_the_weights_have_that_density():
    prior = Custom("StudentT", df=3.0, loc=0.0, scale=0.5)
    with pyro.poutine.trace() as trace:
        weights = prior.sample("v", pyro.plate("v.features", 5, dim=-1), 3, torch.device("cpu"))
    assert weights.shape == (5, 3)
    assert weights.dtype == torch.float64
    trace.trace.compute_log_prob()
    expected = dist.StudentT(3.0, 0.0, 0.5).log_prob(weights).sum(1)
    torch.testing.assert_close(trace.trace.nodes["v.weights"]["log_prob"], expected)


@pytest.mark.parametrize(
    ("prior", "symmetric"),
    [
        (Custom("Laplace", loc=0.0, scale=1.0), True),
        (Custom("StudentT", df=2.0, loc=0.0, scale=1.0), True),
        (Custom("Laplace", loc=0.1, scale=1.0), False),
        (Custom("Gumbel", loc=0.0, scale=1.0), False),
    ],
    ids=str,
)
def test_symmetry(prior, symmetric):
    assert prior.symmetric == symmetric


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Custom(dist.Normal(torch.zeros(2), 1.0)), "'loc'.*one finite number"),
        (lambda: Custom(dist.MultivariateNormal(torch.zeros(2), torch.eye(2))), "one finite number"),
        (lambda: Custom("Unit", log_factor=0.0), r"Unit.*single number"),
        (lambda: Custom(dist.Gamma(1.0, 1.0)), "Gamma.*over all real numbers"),
        (lambda: Custom(dist.LogNormal(0.0, 1.0)), "LogNormal.*over all real numbers"),
        (lambda: Custom(dist.Uniform(0.0, 1.0)), "Uniform.*over all real numbers"),
        (lambda: Custom(dist.Poisson(3.0)), "Poisson.*over all real numbers"),
        (lambda: Custom(dist.VonMises(0.0, 300.0)), "VonMises.*expected 1"),
        (lambda: Custom("Nope"), "no distribution 'Nope'"),
        (lambda: Custom("constraints"), "no distribution 'constraints'"),
        (lambda: Custom("TorchDistribution"), "no distribution"),
        (lambda: Custom(3), "no distribution 3"),
        (lambda: Custom("Laplace"), "Laplace.*cannot be built"),
        (lambda: Custom("Laplace", loc=0, scale=-1), "cannot be built.*scale"),
        (lambda: Custom("Laplace", loc=0, scale=1, df=2), "'df'"),
        (lambda: Custom("Laplace", loc=0, scale="wide"), "'scale' is 'wide'"),
        (lambda: Custom("Laplace", loc=0, scale=float("nan")), "'scale' is nan"),
        (lambda: Custom("Laplace", loc=True, scale=1), "'loc' is True"),
        (lambda: Custom("Laplace", 3), "parameters is 3"),
        (lambda: Custom("Laplace", [0, 1]), "numbers by name"),
        (lambda: Custom(dist.Laplace(0.0, 1.0), scale=2.0), "has its parameters"),
        (lambda: Custom(dist.TransformedDistribution(dist.Normal(0.0, 1.0), [])), "cannot be built"),
        (lambda: Custom(Homemade(0.0, 1.0)), "Homemade is not a distribution of pyro"),
        (lambda: from_json('{"kind": "priors.Custom"}'), "cannot be built"),
        (
            lambda: from_json('{"kind": "priors.Custom", "distribution": "Laplace", "parameters": 2}'),
            "numbers",
        ),
    ],
)
def test_what_is_no_prior_of_weights(declare, message):
    with pytest.raises(SpecError, match=message):
        declare()


class Homemade(dist.Normal):
    """A distribution that JSON could not name."""
