"""Embeddings of a pretrained encoder, with and without variances."""

import numpy as np
import pytest
import torch
from pyro import poutine

from pyro_favae.data import prepare
from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.views import Frozen, Real

N, D = 300, 3


def embeddings(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances of an encoder, in odd units; some rows missing."""
    scale = np.array([10.0, 0.1, 1.0])
    mean = 5 + scale * rng.normal(size=(N, D))
    variance = scale**2 * rng.gamma(2.0, 0.3, size=(N, D))
    mean[:20] = np.nan
    variance[:20] = np.nan
    return mean, variance


def calibrated(view: Frozen, data: np.ndarray):
    emission = view.emission()
    emission.calibrate(prepare(FAVAE({"x": view}, 1), {"x": data}).moments("x", 64, torch.device("cpu")))
    return emission


@pytest.mark.parametrize("how", ["feature", "view", "none"])
def test_with_variances_the_aggregate_posterior_is_standardised(rng, how):
    mean, variance = embeddings(rng)
    emission = calibrated(Frozen(D, variances=True, standardise=how), np.hstack([mean, variance]))
    latents, spread = (
        part.numpy() for part in emission.encode(torch.as_tensor(np.hstack([mean, variance])[20:]))
    )
    total = latents.var(0) + spread.mean(0)
    if how == "feature":
        np.testing.assert_allclose(total, 1)
    if how == "view":
        assert total.mean() == pytest.approx(1)
        assert len(set(emission.unit.tolist())) == 1
    if how == "none":
        np.testing.assert_array_equal(latents, mean[20:])
        np.testing.assert_array_equal(spread, variance[20:])
    else:
        np.testing.assert_allclose(latents.mean(0), 0, atol=1e-12)


@pytest.mark.parametrize("how", ["feature", "view", "none"])
def test_without_variances_it_has_the_units_of_a_real_view(rng, how):
    mean, _ = embeddings(rng)
    emission, real = (calibrated(kind(D, standardise=how), mean) for kind in (Frozen, Real))
    latents, spread = emission.encode(torch.as_tensor(mean[20:]))
    assert spread is None
    torch.testing.assert_close(latents, real.encode(torch.as_tensor(mean[20:])))
    torch.testing.assert_close(emission.unit, real.unit)


@pytest.mark.parametrize("how", ["feature", "view", "none"])
@pytest.mark.parametrize("variances", [True, False])
def test_there_and_back(rng, variances, how):
    mean, variance = embeddings(rng)
    data = np.hstack([mean, variance]) if variances else mean
    emission = calibrated(Frozen(D, variances=variances, standardise=how), data)
    latents, spread = emission.encode(torch.as_tensor(data[20:]))
    np.testing.assert_allclose(emission.decode(latents), mean[20:])
    if variances:
        decoded, again = emission.moments(latents, spread)
        np.testing.assert_allclose(decoded, mean[20:])
        np.testing.assert_allclose(again, variance[20:])


def test_a_mean_with_its_variance_stands_in_for_a_missing_row():
    mean, deviation = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    assert Frozen(2, variances=True).emission().filling(mean, deviation).tolist() == [[1, 2, 9, 16]]
    assert Frozen(2).emission().filling(mean, deviation).tolist() == [[1, 2]]


def test_in_the_model_latents_with_variances_are_unobserved():
    """Their prior is W g + b and the noise; what the view emits is in the encoder's units."""
    model = FAVAEModel(FAVAE({"x": Frozen(2, variances=True)}, 1), 3)
    model.emission("x").units.scale.fill_(10.0)
    noise = torch.tensor(4.0).double()
    given = poutine.condition(model, {"x.noise_precision": noise, "x.relevance": torch.ones(1).double()})
    observed = torch.tensor([True, False, True])
    trace = poutine.trace(given).get_trace(observed={"x": observed}, rows=3)
    trace.compute_log_prob()
    values = {name: site.get("value") for name, site in trace.nodes.items()}
    mean = values["factors"] @ values["x.weights"].T + values["x.bias"]
    density = torch.distributions.Normal(mean, 0.5).log_prob(values["x.latents"]).sum(1)
    torch.testing.assert_close(trace.nodes["x.latents"]["log_prob"], density * observed)
    torch.testing.assert_close(values["_RETURN"]["x"], 10 * values["x.latents"])


@pytest.mark.parametrize("bad", [0.0, -1.0])
def test_bad_variances_are_told_with_the_view(bad):
    data = torch.ones(4, 2 * D)
    data[2, D + 1] = bad
    with pytest.raises(DataError, match=f"view 'x': a variance is {bad:g}, expected all above 0"):
        Frozen(D, variances=True).check("x", data)
    Frozen(2 * D).check("x", data)  # means may be anything


@pytest.mark.parametrize(("bad", "seen"), [(float("nan"), "1 NaN"), (float("inf"), "1 infinite")])
def test_single_entries_cannot_be_missing(bad, seen):
    data = torch.ones(4, D)
    data[2, 1] = bad
    with pytest.raises(DataError, match=f"view 'x': {seen}.* in 1 rows"):
        Frozen(D).check("x", data)


def test_a_way_to_standardise_that_does_not_exist():
    with pytest.raises(SpecError, match=r"views\.Frozen: standardise is 'never'"):
        Frozen(D, standardise="never")
