"""Likelihoods of decoded data, against scipy's densities."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import expit, log_softmax, logsumexp, softmax
from torch import Tensor, nn

from pyro_favae.errors import DataError, SpecError
from pyro_favae.fitting import fit
from pyro_favae.models.declaration import from_json, to_json
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.likelihoods import (
    Bernoulli,
    Categorical,
    Gaussian,
    GaussianMixture,
    Laplace,
    Likelihood,
    NegativeBinomial,
    Poisson,
)
from pyro_favae.models.likelihoods.negative_binomial import log_rising
from pyro_favae.models.networks import Dense
from pyro_favae.models.priors import Gamma, WeightPrior
from pyro_favae.models.views import Image
from pyro_favae.models.views.decoder import DecoderView

EVENT = (5, 3)
EXTREME = 1e4  # of a decoder's output
LIKELIHOODS = [
    Bernoulli(),
    Gaussian(0.3),
    Gaussian(0.3, learn=True, link="identity", per_feature=True),
    Laplace(0.3),
    Laplace(0.3, learn=True, link="identity", per_feature=True),
    GaussianMixture(0.3),
    GaussianMixture(0.3, learn=True, link="identity", per_feature=True, n_components=3),
    Categorical(4),
    Poisson(),
    NegativeBinomial(),
    NegativeBinomial(0.01, learn=False),
]
COUNTS = [Poisson(), NegativeBinomial(0.5)]
SCALED = [Gaussian, Laplace, GaussianMixture]


def name_of(likelihood: Likelihood) -> str:
    return type(likelihood).__name__


every = pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=name_of)


@dataclass(frozen=True)
class Table(DecoderView):
    """Data of any shape behind dense networks."""

    shape: tuple[int, ...]
    likelihood: Likelihood
    latent_dim: int = 2
    beta: float = 1.0
    entries: bool = False
    weights: WeightPrior | None = None
    noise: Gamma | None = None

    @property
    def missing_entries(self) -> bool:
        return self.entries

    @property
    def event_shape(self) -> tuple[int, ...]:
        return self.shape

    def encoder(self) -> nn.Module:
        size = self.likelihood.inputs + (1 if self.entries else 0)
        return Dense((16,)).encoder((*self.shape[:-1], size * self.shape[-1]), self.latent_dim)

    def decoder(self) -> nn.Module:
        return Dense((16,)).decoder(self.shape, self.latent_dim, self.likelihood.outputs)


def decoded_by(likelihood: Likelihood, rows: int = 6, event: tuple[int, ...] = EVENT) -> Tensor:
    """What a decoder may say, float32."""
    outputs = () if likelihood.outputs == 1 else (likelihood.outputs,)
    return torch.randn(rows, *outputs, *event, generator=torch.Generator().manual_seed(0))


def data_of(likelihood: Likelihood, rng: np.random.Generator, shape: tuple[int, ...]) -> Tensor:
    """Data in the support, float64."""
    drawn = {
        "real": lambda: 3 * rng.standard_normal(shape),
        "unit": lambda: rng.uniform(size=shape),
        "count": lambda: rng.poisson(3, shape).astype(float),
        "class": lambda: rng.integers(0, 4, shape).astype(float),
    }
    return torch.as_tensor(drawn[likelihood.support]())


def log_density(likelihood: Likelihood, decoded: Tensor, data: Tensor) -> Tensor:
    module = likelihood.build(tuple(data.shape[1:]))
    return module.distribution(decoded).log_prob(data).detach()


# densities


@pytest.mark.parametrize("link", ["identity", "sigmoid"])
@pytest.mark.parametrize("scale", [1e-3, 0.2, 50.0])
@pytest.mark.parametrize(("likelihood", "reference"), [(Gaussian, stats.norm), (Laplace, stats.laplace)])
def test_location_scale_densities(likelihood, reference, scale, link, rng):
    decoded = torch.tensor([0.0, 0.5, -3.0, EXTREME, -EXTREME]).double()[:, None]
    location = expit(decoded.numpy()) if link == "sigmoid" else decoded.numpy()
    for data in (location + scale * rng.standard_t(2, location.shape), location + 500 * scale):
        ours = log_density(likelihood(scale, link=link), decoded, torch.as_tensor(data))
        np.testing.assert_allclose(ours, reference.logpdf(data, location, scale), rtol=1e-6)


@pytest.mark.parametrize("n_components", [1, 2, 4])
@pytest.mark.parametrize("spread", [1.0, 100.0, EXTREME])
def test_mixture_density(n_components, spread, rng):
    likelihood = GaussianMixture(0.5, link="identity", n_components=n_components)
    decoded = spread * rng.standard_normal((7, 2 * n_components, *EVENT))
    data = spread * rng.standard_normal((7, *EVENT))
    means, logits = np.split(np.moveaxis(decoded, 1, -1), 2, axis=-1)
    expected = logsumexp(log_softmax(logits, -1) + stats.norm.logpdf(data[..., None], means, 0.5), axis=-1)
    ours = log_density(likelihood, torch.as_tensor(decoded), torch.as_tensor(data))
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    mean = likelihood.build(EVENT).mean(torch.as_tensor(decoded))
    np.testing.assert_allclose(mean, (softmax(logits, -1) * means).sum(-1))


def test_a_mixture_of_one_component_is_a_gaussian(rng):
    data = data_of(Gaussian(), rng, (6, *EVENT))
    both = torch.cat([decoded_by(Gaussian())[:, None], torch.zeros(6, 1, *EVENT)], 1)
    torch.testing.assert_close(
        log_density(GaussianMixture(0.3, n_components=1), both, data),
        log_density(Gaussian(0.3), decoded_by(Gaussian()), data),
    )


@pytest.mark.parametrize("spread", [1.0, EXTREME])
def test_categorical_density(spread, rng):
    logits = spread * rng.standard_normal((50, 4, *EVENT))
    codes = rng.integers(0, 4, (50, *EVENT))
    ours = log_density(Categorical(4), torch.as_tensor(logits), torch.as_tensor(codes).double())
    probabilities = softmax(np.moveaxis(logits, 1, -1), -1)
    one_hot = np.eye(4, dtype=int)[codes]
    expected = np.take_along_axis(log_softmax(np.moveaxis(logits, 1, -1), -1), codes[..., None], -1)[..., 0]
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)
    if spread == 1:
        np.testing.assert_allclose(ours, stats.multinomial.logpmf(one_hot, 1, probabilities), rtol=1e-6)
    np.testing.assert_allclose(Categorical(4).build(EVENT).mean(torch.as_tensor(logits)), probabilities)


def test_bernoulli_density(rng):
    logits = torch.as_tensor(3 * rng.standard_normal((50, *EVENT)))
    data = rng.integers(0, 2, (50, *EVENT))
    expected = stats.bernoulli.logpmf(data, expit(logits.numpy()))
    np.testing.assert_allclose(log_density(Bernoulli(), logits, torch.as_tensor(data).double()), expected)


def test_poisson_density():
    means = np.array([1e-10, 1e-3, 1.0, 7.5, 1e3, 1e6, 1e10])
    counts = np.array([0, 1, 2, 30, 1000, 1e6, 1e6 + 5000])
    decoded = torch.as_tensor(np.log(means)).expand(len(counts), -1)
    ours = log_density(Poisson(), decoded, torch.as_tensor(counts)[:, None].expand(-1, len(means)))
    np.testing.assert_allclose(ours, stats.poisson.logpmf(counts[:, None], means), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("dispersion", [1e-3, 0.04, 0.06, 1.0, 30.0, 1e4, 1e8])
def test_negative_binomial_density(dispersion):
    means = np.array([1e-6, 0.1, 3.0, 1e3, 1e6])
    counts = np.array([0, 1, 2, 30, 1000, 1e6])
    decoded = torch.as_tensor(np.log(means)).expand(len(counts), -1)
    likelihood = NegativeBinomial(dispersion)
    ours = log_density(likelihood, decoded, torch.as_tensor(counts)[:, None].expand(-1, len(means)))
    r = math.exp(-np.float32(math.log(dispersion)))  # as the parameter holds it
    expected = stats.nbinom.logpmf(counts[:, None], r, 1 / (1 + means / r))
    np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("r", [1e-300, 1e-8, 0.3, 19.99, 20.01, 1e3, 1e8, 1e14, 1e300])
def test_rising_factorial_keeps_its_digits(r):
    """Against log r (r + 1) … (r + x − 1), a sum of x logarithms."""
    counts = torch.arange(0, 400, 7).double()
    ours = log_rising(torch.tensor(r, dtype=torch.float64), counts)
    expected = [math.fsum(math.log(r + i) for i in range(int(x))) for x in counts.tolist()]
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


def test_a_tiny_dispersion_is_a_poisson():
    """Where scipy's formula and torch's have lost every digit: the difference is (x − (x − μ)²) dispersion / 2."""
    counts, means = np.arange(0, 2000, 50), 800.0
    decoded = torch.full((len(counts), 1), math.log(means), dtype=torch.float64)
    data = torch.as_tensor(counts).double()[:, None]
    expected = stats.poisson.logpmf(counts, means)[:, None]
    for dispersion in (1e-13, 1e-20, 1e-300):
        ours = log_density(NegativeBinomial(dispersion), decoded, data)
        np.testing.assert_allclose(ours, expected, rtol=1e-9)


# what every likelihood does


@every
def test_types_and_shapes(likelihood, rng):
    """float64 data under what a float32 decoder says; parameters are float32."""
    module, decoded = likelihood.build(EVENT), decoded_by(likelihood)
    data = data_of(likelihood, rng, (6, *EVENT))
    density = module.distribution(decoded).log_prob(data)
    assert density.shape == data.shape
    assert density.dtype == (torch.float32 if likelihood.support == "class" else torch.float64)
    assert torch.isfinite(density).all()
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters())
    classes = (4,) if likelihood.support == "class" else ()
    assert module.mean(decoded).shape == (6, *EVENT, *classes)
    assert module.draw(decoded).shape == data.shape
    assert module.filling(module.mean(decoded)).shape == data.shape
    inputs = () if likelihood.inputs == 1 else (likelihood.inputs,)
    assert module.encode(data).shape == (6, *inputs, *EVENT)
    likelihood.check("x", data)


@every
def test_densities_sum_to_one(likelihood):
    """Over a grid of data that holds all but nothing of the mass."""
    if likelihood.support == "unit":
        likelihood = likelihood if likelihood == Bernoulli() else replace(likelihood, link="identity")
    step = 1e-3 if likelihood.support == "real" else 1.0
    grids = {"unit": (0, 2), "count": (0, 3000), "class": (0, 4), "real": (-20_000, 20_000)}
    grid = step * torch.arange(*grids[likelihood.support]).double()[:, None, None]
    module, decoded = likelihood.build((1, 2)), decoded_by(likelihood, 1, (1, 2)).double()
    density = module.distribution(decoded).log_prob(grid).exp()
    torch.testing.assert_close(step * density.sum(0), torch.ones(1, 2).double(), atol=1e-5, rtol=0.0)


@every
@pytest.mark.parametrize("sign", [-1, 1])
def test_gradients_are_finite_where_a_decoder_has_gone_astray(likelihood, sign, rng):
    module = likelihood.build(EVENT)
    decoded = (sign * EXTREME * torch.ones_like(decoded_by(likelihood))).requires_grad_()
    density = module.distribution(decoded).log_prob(data_of(likelihood, rng, (6, *EVENT)))
    density.sum().backward()
    assert torch.isfinite(density).all()
    learnt = [parameter for parameter in module.parameters() if parameter.requires_grad]
    assert all(torch.isfinite(parameter.grad).all() for parameter in [decoded, *learnt])


@pytest.mark.parametrize("likelihood", COUNTS, ids=name_of)
@pytest.mark.parametrize("sign", [-1, 1])
def test_counts_lead_a_decoder_back(likelihood, sign):
    """The expected count is clamped, the gradient is not."""
    decoded = torch.full((1, 2), sign * EXTREME, requires_grad=True)
    module = likelihood.build((2,))
    module.distribution(decoded).log_prob(torch.tensor([[3.0, 9.0]]).double()).sum().backward()
    assert (decoded.grad.sign() == -sign).all()
    assert torch.isfinite(module.mean(decoded)).all()


@every
@pytest.mark.parametrize("entries", [False, True])
def test_a_view_of_it(likelihood, entries, rng):
    """Shapes through the emission: what the encoder is given, and data, means and draws."""
    view = Table(EVENT, likelihood, entries=entries)
    emission, data = view.emission(), data_of(likelihood, rng, (6, *EVENT))
    latents = torch.randn(6, 2).double()
    inputs = emission.inputs(data, None)
    assert inputs.dtype == torch.float32
    assert view.encoder()(inputs).shape == (6, 4)
    assert emission.decoded(latents).shape == decoded_by(likelihood).shape
    assert emission.log_prob(latents, data).shape == data.shape
    assert emission.draw(latents).shape == data.shape


@every
def test_a_draw_follows_its_generator(likelihood):
    module, decoded = likelihood.build(EVENT), decoded_by(likelihood)
    state = torch.random.get_rng_state()
    draws = [module.draw(decoded, torch.Generator().manual_seed(seed)) for seed in (3, 3)]
    assert (draws[0] == draws[1]).all()
    assert (torch.random.get_rng_state() == state).all()
    if likelihood.support in ("count", "class"):
        assert (module.draw(decoded, torch.Generator().manual_seed(4)) != draws[0]).any()
        likelihood.check("x", draws[0])


@pytest.mark.parametrize("dispersion", [None, 1e-6, 0.5, 5.0], ids=str)
def test_moments_of_drawn_counts(dispersion):
    """Within five standard errors; None is the Poisson."""
    likelihood = Poisson() if dispersion is None else NegativeBinomial(dispersion)
    n, means = 40_000, torch.tensor([0.3, 4.0, 1e3]).double()
    module = likelihood.build((3,))
    drawn = module.draw(means.log().expand(n, 3), torch.Generator().manual_seed(0)).numpy()
    reference = stats.poisson(means) if dispersion is None else None
    if reference is None:
        r = 1 / dispersion
        reference = stats.nbinom(r, 1 / (1 + means.numpy() / r))
    mean, variance, kurtosis = reference.stats("mvk")
    assert (np.abs(drawn.mean(0) - mean) < 5 * np.sqrt(variance / n)).all()
    assert (np.abs(drawn.var(0) - variance) < 5 * variance * np.sqrt((kurtosis + 2) / n)).all()
    assert np.abs((drawn == 0).mean(0) - reference.pmf(0)).max() < 5 * 0.5 / np.sqrt(n)
    np.testing.assert_allclose(module.mean(means.log()), mean)


def test_drawn_classes_have_the_probabilities():
    n, logits = 40_000, torch.tensor([[0.0, 3.0], [1.0, -3.0], [-1.0, 0.0]])
    drawn = Categorical(3).build((2,)).draw(logits.expand(n, 3, 2), torch.Generator().manual_seed(0))
    shares = torch.stack([(drawn == c).double().mean(0) for c in range(3)])
    assert (shares - logits.softmax(0)).abs().max() < 5 * 0.5 / n**0.5


def test_counts_drawn_at_the_extremes():
    """Finite whole numbers, however little a dispersion says where they lie."""
    for dispersion in (1e-300, 1e8):
        module = NegativeBinomial(dispersion).build((2,))
        drawn = module.draw(torch.tensor([[EXTREME, -EXTREME]] * 100))
        assert torch.isfinite(drawn).all()
        assert (drawn >= 0).all()


def test_a_missing_class_becomes_the_most_probable_one():
    mean = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    assert Categorical(3).build(()).filling(mean).tolist() == [1, 0]


def test_an_encoder_sees_classes_one_hot_and_counts_logged():
    codes = torch.tensor([[0.0, 2.0]])
    assert Categorical(3).build((2,)).encode(codes).tolist() == [[[1, 0], [0, 0], [0, 1]]]
    for likelihood in COUNTS:
        torch.testing.assert_close(likelihood.build((2,)).encode(codes), torch.tensor([[0.0, math.log(3)]]))


# declarations


@every
def test_json_round_trip(likelihood):
    assert from_json(to_json(likelihood)) == likelihood
    assert json.loads(to_json(likelihood))["kind"] == f"likelihoods.{name_of(likelihood)}"
    assert hash(likelihood) == hash(from_json(to_json(likelihood)))


@pytest.mark.parametrize("kind", SCALED)
def test_scales_by_feature(kind):
    components = (2,) if kind is GaussianMixture else ()
    fixed = kind(0.3).build(EVENT)
    assert fixed.log_scale.shape == components
    assert not fixed.log_scale.requires_grad
    assert kind(0.3, learn=True).build(EVENT).log_scale.shape == components
    each = kind(0.3, learn=True, per_feature=True).build(EVENT)
    assert each.log_scale.shape == (3, *components)
    assert each.log_scale.requires_grad
    with torch.no_grad():
        each.log_scale[1] = math.log(0.1)
    decoded = decoded_by(kind())
    alike, narrow = (kind(scale).build(EVENT).distribution(decoded) for scale in (0.3, 0.1))
    ours, data = each.distribution(decoded), torch.rand(6, *EVENT)
    torch.testing.assert_close(ours.log_prob(data)[..., [0, 2]], alike.log_prob(data)[..., [0, 2]])
    torch.testing.assert_close(ours.log_prob(data)[..., 1], narrow.log_prob(data)[..., 1])


@pytest.mark.parametrize("kind", SCALED)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.0}, "scale is 0.0"),
        ({"scale": math.inf}, "scale is inf"),
        ({"link": "logit"}, "link is 'logit', expected one of sigmoid, identity"),
        ({"per_feature": True}, "declare learn=True"),
    ],
    ids=str,
)
def test_scales_that_cannot_be_meant(kind, options, message):
    with pytest.raises(SpecError, match=f"likelihoods.{kind.__name__}: .*{message}"):
        kind(**options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianMixture(n_components=0), "n_components is 0"),
        (lambda: Categorical(1), "expected at least 2"),
        (lambda: Categorical(2.5), "n_classes is 2.5"),
        (lambda: Categorical(True), "n_classes is True"),
        (lambda: NegativeBinomial(-1.0), "dispersion is -1.0"),
        (lambda: NegativeBinomial(math.nan), "dispersion is nan"),
    ],
)
def test_other_declarations_that_cannot_be_meant(make, message):
    with pytest.raises(SpecError, match=message):
        make()


@pytest.mark.parametrize(
    ("likelihood", "values", "message"),
    [
        (Categorical(3), [0, 3], "range from 0 to 3, expected codes of classes: .* from 0 to 2"),
        (Categorical(3), [-1, 2], "range from -1 to 2"),
        (Categorical(3), [0.5, 1], "whole numbers"),
        (Poisson(), [-1, 2], "range from -1 to 2, expected counts"),
        (Poisson(), [0.5, 2], "normalised or logged"),
        (NegativeBinomial(), [0.5, 2], "normalised or logged"),
        (Laplace(), [0.0, 255.0], "divide images stored as 0 to 255"),
        (GaussianMixture(), [-0.1, 0.5], r"expected floats in \[0, 1\]"),
    ],
)
def test_data_outside_the_support(likelihood, values, message):
    data = torch.tensor([[*values, math.nan]]).double()
    with pytest.raises(DataError, match=f"view 'x': values .*{message}"):
        Table((3,), likelihood, entries=True).check("x", data)


def test_data_in_the_support_and_data_that_say_nothing():
    unknown = torch.full((2, 3), math.nan).double()
    for likelihood in LIKELIHOODS:
        likelihood.check("x", unknown)
    for likelihood in COUNTS:
        likelihood.check("x", torch.tensor([[0, 255]], dtype=torch.uint8))
    Gaussian(link="identity").check("x", torch.tensor([[-5.0, math.nan]]))


# learning


@every
def test_a_view_of_it_learns(likelihood, rng):
    """The bound rises and stays finite, rows and single entries missing, and predictions have the shape."""
    data = data_of(likelihood, rng, (200, 6)).numpy()
    data[rng.random(data.shape) < 0.1] = np.nan
    data[:5] = np.nan
    model = FAVAE({"x": Table((6,), likelihood, entries=True)}, n_factors=2)
    result = fit(
        model, {"x": data}, epochs=6, tolerance=1e-12, batch_size=32, seed=0, device="cpu", progress=False
    )
    passes = result.history["elbo"][result.history["stage"] == "train"].to_numpy()
    assert np.isfinite(passes).all()
    assert passes[-1] > passes[0]
    filled = result.impute({"x": data})["x"]
    assert filled.shape == data.shape
    assert np.isfinite(filled).all()
    drawn = result.generate("x", n=3, seed=1)
    assert drawn.shape == (3, 1, 6)
    np.testing.assert_array_equal(drawn, result.generate("x", n=3, seed=1))


def test_images_under_a_mixture_of_two_gaussians(rng):
    """Convolutions with several outputs for each pixel."""
    view = Image((3, 8, 8), 2, likelihood=GaussianMixture(0.1, learn=True))
    emission, images = view.emission(), torch.as_tensor(rng.uniform(size=(4, 3, 8, 8)))
    latents = torch.randn(4, 2)
    assert emission.decoded(latents).shape == (4, 4, 3, 8, 8)
    assert emission.log_prob(latents, images).shape == images.shape
    assert ((emission.decode(latents) >= 0) & (emission.decode(latents) <= 1)).all()
    with pytest.raises(SpecError, match="count data"):
        Image((1, 8, 8), 2, likelihood=Poisson())
