"""The generative half of each kind of view."""

import numpy as np
import pytest
import torch

from pyro_favae.errors import SpecError
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.networks import NETWORKS
from pyro_favae.models.views import Bernoulli, Categorical, Frozen, Image, Real
from pyro_favae.models.views.base import Moments


def moments(data: torch.Tensor) -> Moments:
    """Of a table that lacks nothing."""
    count = torch.full_like(data[0], len(data))
    return Moments(data.mean(0), data.var(0, correction=0), data.abs().amax(0), count)


def table(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 4 + torch.randn(50, 3, generator=generator).double() * torch.tensor([1.0, 10.0, 0.1]).double()


@pytest.mark.parametrize("how", ["view", "feature", "none"])
def test_standardising(how):
    data = table()
    emission = Real(3, standardise=how).emission()
    emission.calibrate(moments(data))
    latents = emission.encode(data)
    if how != "none":
        torch.testing.assert_close(latents.mean(0), torch.zeros(3).double(), atol=1e-9, rtol=0.0)
    if how == "view":
        assert float(latents.square().mean()) == pytest.approx(1.0)
        assert len(set(emission.scale.tolist())) == 1
    if how == "feature":
        torch.testing.assert_close(latents.square().mean(0), torch.ones(3).double())
    if how == "none":
        assert (latents == data).all()
    torch.testing.assert_close(emission.decode(latents), data)


@pytest.mark.parametrize("how", ["view", "feature"])
def test_a_constant_feature_does_not_divide_by_zero(how):
    data = table()
    data[:, 1] = 0.1 + 0.2
    emission = Real(3, standardise=how).emission()
    emission.calibrate(moments(data))
    assert torch.isfinite(emission.encode(data)).all()
    assert emission.encode(data)[:, 1].abs().max() < 1e-9


def test_one_scale_for_a_view_is_that_of_what_is_observed_of_it():
    """A column with fewer entries counts for less."""
    half = Moments(*(torch.tensor(v).double() for v in ([0, 5], [1, 9], [3, 12], [30, 10])))
    emission = Real(2).emission()
    emission.calibrate(half)
    assert emission.location.tolist() == [0, 5]
    assert emission.scale.tolist() == pytest.approx([3**0.5] * 2)  # (30 · 1 + 10 · 9) / 40


@pytest.mark.parametrize("how", ["view", "feature"])
def test_a_feature_that_is_never_observed(how):
    unseen = Moments(*(torch.tensor(v).double() for v in ([5, 0], [9, 0], [12, 0], [10, 0])))
    emission = Real(2, standardise=how).emission()
    emission.calibrate(unseen)
    assert emission.location.tolist() == [5, 0]
    assert emission.scale.tolist() == [3, 3 if how == "view" else 1]


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize(("channels", "tall"), [(1, 1), (3, 2)])
def test_networks_have_the_declared_shapes(network, channels, tall):
    side = getattr(NETWORKS[network], "divisor", 4)
    shape = (channels, tall * side, side)
    view = Image(shape, latent_dim=5, network=network)
    images = torch.rand(4, *shape)
    assert view.encoder()(images).shape == (4, 10)
    decoded = view.emission().decode(torch.randn(4, 5).double())
    assert decoded.shape == (4, *shape)
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def test_a_shape_that_a_network_cannot_take():
    with pytest.raises(SpecError, match=r"divisible by 4.*\(1, 10, 8\)"):
        Image((1, 10, 8), latent_dim=2)
    Image((1, 10, 8), latent_dim=2, network="dense")


def test_names_of_features():
    assert Real(["a", "b"]).feature_names == ("a", "b")
    assert Bernoulli(2).feature_names == ("0", "1")
    assert Image((1, 8, 8), latent_dim=3).feature_names == ("0", "1", "2")
    assert Categorical(["cat", "dog"]).feature_names == ("cat", "dog")
    assert Frozen(["x", "y"], variances=True).feature_names == ("x", "y")
    for view in (Real(["a", "b"]), Bernoulli(2), Categorical(2), Frozen(2), Frozen(2, variances=True)):
        assert view.latent_dim == 2


def test_shapes_of_a_row():
    shapes = {Real(2): (2,), Bernoulli(2): (2,), Categorical(2): (), Frozen(2): (2,)}
    for view, shape in shapes.items():
        assert view.event_shape == shape
    assert Frozen(2, variances=True).event_shape == (4,)
    assert Image((1, 8, 8), latent_dim=3).event_shape == (1, 8, 8)


def test_the_models_mean_is_linear_in_the_factors():
    """Data of a real view have the mean W g + b and the precision τ, in the user's units."""
    import pyro
    from pyro import poutine

    model = FAVAEModel(FAVAE({"a": Real(3)}, 2), 5)
    model.emission("a").calibrate(moments(table()))
    pyro.set_rng_seed(0)
    given = {
        "a.noise_precision": torch.tensor(4.0).double(),
        "a.relevance": torch.ones(2).double(),
    }
    trace = poutine.trace(poutine.condition(model, given)).get_trace({"a": table()[:5]})
    value = {name: site["value"] for name, site in trace.nodes.items() if site["type"] == "sample"}
    mean = value["factors"] @ value["a.weights"].T + value["a.bias"]
    scale, location = model.emission("a").scale, model.emission("a").location
    expected = torch.distributions.Normal(location + scale * mean, scale * 0.5).log_prob(table()[:5]).sum(1)
    trace.compute_log_prob()
    torch.testing.assert_close(trace.nodes["a.data"]["log_prob"], expected)


def test_prior_draws_have_the_declared_moments():
    """Within four standard errors, under proper priors."""
    import pyro

    from pyro_favae.models.priors import ARD, Gamma

    n = 4000
    model = FAVAEModel(
        FAVAE({"a": Bernoulli(2)}, 2, weights=ARD(9.0, 9.0), noise=Gamma(9.0, 9.0), bias_precision=1e6), n
    )
    pyro.set_rng_seed(0)
    drawn = model(rows=n)["a"].numpy()
    assert set(np.unique(drawn)) == {0.0, 1.0}
    # symmetric about zero in the latents, so each label is as often 0 as 1
    assert np.abs(drawn.mean(0) - 0.5).max() < 4 * 0.5 / np.sqrt(n)
