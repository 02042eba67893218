"""The softmax link of a categorical view. What its data may be is told in tests/data."""

import pytest
import torch
from pyro import poutine

from pyro_favae.errors import DataError, SpecError
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.views import Categorical
from pyro_favae.models.views.categorical import QUADRATURE_POINTS

DRAWS = 200_000


def latents(classes: int, deviation: float, rows: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and variances of some rows' logits."""
    generator = torch.Generator().manual_seed(classes)
    mean = 2 * torch.randn(rows, classes, generator=generator).double()
    spread = 0.2 + torch.rand(rows, classes, generator=generator).double()
    return mean, (deviation * spread).square()


def by_draws(mean: torch.Tensor, variance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The softmax's mean and standard deviation over many draws of the logits."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(DRAWS, *mean.shape, generator=generator, dtype=torch.float64)
    probabilities = (mean + variance.sqrt() * logits).softmax(-1)
    return probabilities.mean(0), probabilities.std(0)


@pytest.mark.parametrize("deviation", [0.1, 1, 3, 10])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_moments_integrate_the_softmax(classes, deviation):
    """Twice as well as as many random points would, and far better than the softmax of the mean."""
    mean, variance = latents(classes, deviation)
    found, spread = Categorical(classes).emission().moments(mean, variance)
    expected, sd = by_draws(mean, variance)
    error, known = found - expected, sd / DRAWS**0.5
    random_points = sd / QUADRATURE_POINTS**0.5
    assert (error.abs() < 4 * known + 2 * random_points).all()
    assert error.square().mean() < known.square().mean() + (random_points / 2).square().mean()
    if deviation >= 1:
        assert error.abs().max() < 0.2 * (mean.softmax(-1) - expected).abs().max()
    torch.testing.assert_close(spread, found * (1 - found))


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_probabilities_sum_to_one(classes):
    probabilities, _ = Categorical(classes).emission().moments(*latents(classes, 3.0))
    torch.testing.assert_close(probabilities.sum(-1), torch.ones(5).double())
    assert (probabilities >= 0).all()


def test_certain_logits_are_those_of_the_softmax():
    mean, _ = latents(4, 1.0)
    emission = Categorical(4).emission()
    torch.testing.assert_close(emission.moments(mean, torch.zeros_like(mean))[0], mean.softmax(-1))
    torch.testing.assert_close(emission.decode(mean), mean.softmax(-1))


def test_a_common_shift_of_the_logits_changes_nothing():
    mean, variance = latents(4, 1.0)
    emission = Categorical(4).emission()
    torch.testing.assert_close(emission.moments(mean + 7, variance)[0], emission.moments(mean, variance)[0])


def test_moments_repeat():
    mean, variance = latents(4, 1.0)
    emission = Categorical(4).emission()
    assert torch.equal(emission.moments(mean, variance)[0], emission.moments(mean, variance)[0])


def test_logits_of_which_nothing_is_known():
    emission = Categorical(4).emission()
    nothing = torch.full((1, 4), torch.inf).double()
    probabilities, _ = emission.moments(torch.zeros(1, 4).double(), nothing)
    torch.testing.assert_close(probabilities, torch.full((1, 4), 0.25).double(), atol=0.02, rtol=0)
    signs = torch.tensor([[1.0, -1, -1, 1]]).double()
    assert emission.decode(signs * nothing).tolist() == [[0.5, 0, 0, 0.5]]
    assert emission.draw((signs * nothing).expand(50, 4)).unique().tolist() == [0, 3]


def test_draws_come_as_often_as_their_probability_says():
    mean, _ = latents(4, 1.0, rows=1)
    generator = torch.Generator().manual_seed(0)
    drawn = Categorical(4).emission().draw(mean.expand(DRAWS, 4), generator)
    assert drawn.shape == (DRAWS,)
    probability = mean.softmax(-1)[0]
    frequency = torch.bincount(drawn, minlength=4) / DRAWS
    assert ((frequency - probability).abs() < 4 * (probability * (1 - probability) / DRAWS).sqrt()).all()


def test_draws_repeat_with_a_generator():
    mean, _ = latents(4, 1.0)
    emission = Categorical(4).emission()
    first, again = (emission.draw(mean, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)


def test_the_model_gives_classes_the_softmaxs_probability():
    """And rows without a class none."""
    observed = torch.tensor([[True], [False], [True]])
    model = FAVAEModel(FAVAE({"x": Categorical(4)}, 2), 3)
    trace = poutine.trace(model).get_trace({"x": torch.tensor([3, 0, 1])}, {"x": observed[:, 0]})
    trace.compute_log_prob()
    logits, found = trace.nodes["x.latents"]["value"], trace.nodes["x.data"]["log_prob"]
    expected = logits.log_softmax(-1)[[0, 1, 2], [3, 0, 1]] * observed[:, 0]
    torch.testing.assert_close(found, expected)
    assert model(rows=3)["x"].shape == (3,)


def test_the_most_probable_class_stands_in_for_a_missing_one():
    probability = torch.tensor([[0.2, 0.5, 0.3], [0.4, 0.3, 0.3]])
    assert Categorical(3).emission().filling(probability, probability).tolist() == [1, 0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.uint8])
def test_codes_beyond_the_classes_are_refused(dtype):
    view = Categorical(["cat", "dog", "fox"])
    view.check("x", torch.tensor([0, 1, 2], dtype=dtype))
    with pytest.raises(DataError, match=r"view 'x': 2 values are not class codes .*example 3.* from 0 to 2"):
        view.check("x", torch.tensor([0, 3, 7, 1], dtype=dtype))


def test_booleans_are_two_classes():
    Categorical(2).check("x", torch.tensor([True, False]))


@pytest.mark.parametrize("bad", [0.5, -1.0, float("inf"), float("nan")])
def test_what_is_no_code_is_refused(bad):
    with pytest.raises(DataError, match="view 'x': 1 "):
        Categorical(3).check("x", torch.tensor([0.0, bad]))


@pytest.mark.parametrize("classes", [1, 0, -2, ["only"], [], 2.0, ["a", "a"], "ab"])
def test_classes_that_are_none(classes):
    with pytest.raises(SpecError, match=r"views\.Categorical"):
        Categorical(classes)
