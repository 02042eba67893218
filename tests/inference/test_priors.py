"""Every declared prior has an inference half that fits it."""

import inspect
from functools import partial

import pytest

from pyro_favae.inference.priors import factor_posterior, weight_prior_posterior
from pyro_favae.models.priors import (
    ARD,
    Custom,
    FactorPrior,
    FeatureARD,
    Grouped,
    Horseshoe,
    Mixture,
    Normal,
    SpikeSlab,
    StandardNormal,
    WeightPrior,
)
from tests.inference.check_priors import check_weight_prior


def concrete(base: type) -> list[type]:
    """The package's own leaf classes below a base."""
    found, stack = [], [base]
    while stack:
        cls = stack.pop()
        stack += cls.__subclasses__()
        if not inspect.isabstract(cls) and cls.__module__.startswith("pyro_favae."):
            found.append(cls)
    return sorted(found, key=lambda cls: cls.__name__)


#: priors that cannot be declared without saying more
EXAMPLES = {Custom: partial(Custom, "Laplace", loc=0.0, scale=1.0)}


@pytest.mark.parametrize("kind", concrete(WeightPrior), ids=lambda cls: cls.__name__)
def test_weight_prior(kind):
    check_weight_prior(EXAMPLES.get(kind, kind)())


OTHER_SETTINGS = [
    ARD(2.0, 2.0),
    ARD(0.5, 3.0),
    Custom("Normal", loc=0.5, scale=2.0),
    Custom("Cauchy", loc=0.0, scale=0.1),
    Custom("StudentT", df=3.0, loc=0.2, scale=0.5),
    Custom("Gumbel", loc=0.0, scale=1.0),
    FeatureARD(2.0, 1.0, feature_shape=3.0, feature_rate=0.5),
    Horseshoe(scale=0.1, slab=1.0),
    Normal(precision=3.0),
    SpikeSlab(2.0, 1.0, on=1.0, off=4.0, spike=0.1),
]


@pytest.mark.parametrize("prior", OTHER_SETTINGS, ids=str)
def test_weight_prior_with_other_settings(prior):
    check_weight_prior(prior)


def test_the_priors_are_found():
    assert ARD in concrete(WeightPrior)
    assert {Grouped, Mixture, StandardNormal} <= set(concrete(FactorPrior))


@pytest.mark.parametrize("kind", concrete(FactorPrior), ids=lambda cls: cls.__name__)
def test_factor_prior_has_an_inference_half(kind):
    prior = Grouped(("a", "b")) if kind is Grouped else kind()
    posterior = factor_posterior(prior, 3)
    assert posterior.component_means.shape == (prior.n_components, 3)
    assert posterior.log_weights.shape == (prior.n_components,)
    groups = 1 if prior.column is None else len(prior.groups) + 1
    assert posterior.prior_means.shape == (groups, prior.n_components, 3)
    assert posterior.prior_precision.shape == (groups, 3, 3)


def test_a_prior_without_inference_says_so():
    class Unknown:
        pass

    with pytest.raises(NotImplementedError, match="Unknown"):
        weight_prior_posterior(Unknown(), 2, 2)
    with pytest.raises(NotImplementedError, match="Unknown"):
        factor_posterior(Unknown(), 2)
