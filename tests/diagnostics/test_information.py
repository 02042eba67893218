import numpy as np
import pytest
import torch

from pyro_favae.diagnostics import mutual_information, streamed_mutual_information
from pyro_favae.errors import DataError, NumericalError, SpecError

GAIN, NOISE = np.array([2.0, 0.5, 0.0]), np.array([0.5, 1.0, 0.3])
TRUTH = 0.5 * np.log(1 + GAIN**2 / NOISE)  # of x ~ N(0, 1) and z | x ~ N(gain x, noise)


def linear_gaussian(rng, n=2000):
    return rng.normal(size=(n, 3)) * GAIN, np.broadcast_to(NOISE, (n, 3))


def test_a_linear_gaussian_encoder(rng):
    found = mutual_information(*linear_gaussian(rng))
    assert np.all(np.abs(found.nats - TRUTH) <= 4 * found.standard_error + 1e-12)
    assert found.nats[2] == pytest.approx(0, abs=1e-12)
    assert found.total == pytest.approx(found.nats.sum())
    np.testing.assert_allclose(found.bits, found.nats / np.log(2))
    assert found.ranking.tolist() == [0, 1, 2]


def test_the_standard_error_is_that_of_repeated_samples(rng):
    runs = [mutual_information(*linear_gaussian(rng, 300)) for _ in range(400)]
    for name, error in (
        ("nats", "standard_error"),
        ("total", "total_standard_error"),
        ("joint", "joint_standard_error"),
    ):
        values = np.array([getattr(run, name) for run in runs])
        claimed = np.mean([getattr(run, error) for run in runs], axis=0)
        # the standard deviation of 400 draws is known to 1 / sqrt(800)
        np.testing.assert_allclose(values.std(0), claimed, rtol=4 / np.sqrt(800), atol=1e-12)


def test_it_is_the_mean_divergence_from_the_moment_matched_marginal(rng):
    mean, variance = rng.normal(size=(50, 4)), rng.gamma(2.0, size=(50, 4))
    marginal = torch.distributions.Normal(
        torch.as_tensor(mean.mean(0)), torch.as_tensor((variance.mean(0) + mean.var(0)) ** 0.5)
    )
    rows = torch.distributions.Normal(torch.as_tensor(mean), torch.as_tensor(variance).sqrt())
    expected = torch.distributions.kl_divergence(rows, marginal)
    found = mutual_information(mean, variance)
    np.testing.assert_allclose(found.nats, expected.mean(0))
    np.testing.assert_allclose(found.standard_error, expected.std(0) / 50**0.5)


def test_units_of_the_latent_do_not_matter(rng):
    mean, variance = linear_gaussian(rng, 100)
    scaled = mutual_information(5 + 3 * mean, 9 * variance)
    np.testing.assert_allclose(scaled.nats, mutual_information(mean, variance).nats, atol=1e-12)


def test_a_bimodal_dimension_is_an_upper_bound(rng):
    mean = np.where(rng.random((1000, 1)) < 0.5, -1.0, 1.0)
    assert mutual_information(mean, np.full((1000, 1), 1e-4)).total > np.log(2)


def test_the_zero_mean_marginal_has_the_second_moment(rng):
    mean, variance = 1 + rng.normal(size=(50, 4)), rng.gamma(2.0, size=(50, 4))
    found = mutual_information(mean, variance, marginal="zero-mean")
    second = (mean**2 + variance).mean(0)
    np.testing.assert_allclose(found.nats, 0.5 * (np.log(second) - np.log(variance).mean(0)))
    np.testing.assert_allclose(found.marginal_variance, second)
    assert not found.marginal_mean.any()
    assert (found.nats > mutual_information(mean, variance).nats).all()
    with pytest.raises(SpecError, match="'matched', 'zero-mean'"):
        mutual_information(mean, variance, marginal="uniform")


@pytest.mark.parametrize("marginal", ["matched", "zero-mean"])
def test_the_marginal_is_the_best_gaussian(rng, marginal):
    """No gradient of the mean divergence is left in the marginal's moments."""
    mean, variance = torch.as_tensor(rng.normal(1, 2, (40, 3))), torch.as_tensor(rng.gamma(2.0, size=(40, 3)))
    found = mutual_information(mean, variance, marginal)
    location = torch.as_tensor(found.marginal_mean).requires_grad_(marginal == "matched")
    spread = torch.as_tensor(found.marginal_variance).requires_grad_()
    rows, best = (torch.distributions.Normal(a, b.sqrt()) for a, b in ((mean, variance), (location, spread)))
    loss = torch.distributions.kl_divergence(rows, best).mean(0).sum()
    assert loss.item() == pytest.approx(found.total)
    loss.backward()
    for moment in (location, spread) if marginal == "matched" else (spread,):
        assert moment.grad.abs().max() < 1e-12


def test_what_dimensions_have_in_common_counts_once_in_the_joint_information(rng):
    """Two noisy readings of one x ~ N(0, 1)."""
    found = mutual_information(np.repeat(rng.normal(size=(5000, 1)), 2, axis=1), np.full((5000, 2), 0.5))
    assert abs(found.total - np.log(1 + 1 / 0.5)) < 4 * found.total_standard_error
    assert abs(found.joint - 0.5 * np.log(1 + 2 / 0.5)) < 4 * found.joint_standard_error


def test_the_divergence_from_the_prior_bounds_it(rng):
    mean, variance = rng.normal(0.3, 1.2, (200, 3)), rng.gamma(2.0, size=(200, 3))
    rows = torch.distributions.Normal(torch.as_tensor(mean), torch.as_tensor(variance).sqrt())
    expected = torch.distributions.kl_divergence(rows, torch.distributions.Normal(0.0, 1.0)).mean(0)
    found = mutual_information(mean, variance)
    np.testing.assert_allclose(found.divergence, expected)
    assert found.bound == pytest.approx(expected.sum())
    for marginal in ("matched", "zero-mean"):
        assert (mutual_information(mean, variance, marginal).nats < found.divergence).all()


def test_a_collapsed_dimension_says_nothing_whatever_its_variance(rng):
    """Information ranks it last; the variance of means would put a wide but noisy dimension first."""
    mean = rng.normal(size=(500, 3)) * [1.0, 3.0, 0.0]
    found = mutual_information(mean, np.full((500, 3), [0.01, 100.0, 1.0]))
    assert found.nats[2] == pytest.approx(0, abs=1e-12)
    assert found.ranking.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.variance, mean.var(0))
    assert np.argmax(found.variance) == 1


def test_the_error_falls_with_the_root_of_the_number_of_rows(rng):
    """Theorem 6, at the rate of the central limit theorem."""
    counts = [100, 1000, 10_000]
    errors = [
        np.mean([abs(mutual_information(*linear_gaussian(rng, n)).total - TRUTH.sum()) for _ in range(60)])
        for n in counts
    ]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    # each mean of 60 absolute errors is known to about a tenth, the slope of three to 0.1 / log(100) · √2
    assert slope == pytest.approx(-0.5, abs=4 * 0.1 * 2**0.5 / np.log(100))


def test_an_almost_deterministic_dimension_diverges(rng):
    mean = rng.normal(size=(500, 1))
    found = [mutual_information(mean, np.full((500, 1), variance)).total for variance in (1e-4, 1e-8, 1e-12)]
    np.testing.assert_allclose(np.diff(found), 0.5 * np.log(1e4), rtol=1e-3)
    with pytest.raises(
        DataError, match=r"500 of 500 rows have, in dimensions 0, a variance of 0.*infinitely"
    ):
        mutual_information(mean, np.zeros((500, 1)))


def test_copies_without_noise_have_no_joint_information(rng):
    with pytest.raises(NumericalError, match="copies"):
        mutual_information(np.repeat(rng.normal(size=(50, 1)), 2, axis=1), np.full((50, 2), 1e-30))


def test_batches_tell_what_all_rows_at_once_tell(rng):
    mean, variance = 100 + rng.normal(size=(1000, 5)), rng.gamma(2.0, size=(1000, 5))
    whole = mutual_information(mean, variance)
    batches = ((mean[i : i + 64], variance[i : i + 64]) for i in range(0, 1000, 64))
    streamed = streamed_mutual_information(batches)
    for name in vars(whole):
        np.testing.assert_allclose(getattr(streamed, name), getattr(whole, name), rtol=1e-9, err_msg=name)


def test_a_stream_may_fill_one_buffer_again_and_again(rng):
    mean, variance = (torch.tensor(part) for part in linear_gaussian(rng, 60))
    buffers = torch.empty(2, 20, 3, dtype=torch.float64)

    def batches():
        for start in range(0, 60, 20):
            for buffer, values in zip(buffers, (mean, variance), strict=True):
                buffer.copy_(values[start : start + 20])
            yield tuple(buffers)

    np.testing.assert_allclose(
        streamed_mutual_information(batches()).standard_error,
        mutual_information(mean, variance).standard_error,
    )


def test_errors_of_a_long_stream_come_from_a_sample_of_its_rows(rng, monkeypatch):
    monkeypatch.setattr("pyro_favae.diagnostics.gaussian_sums.SAMPLE_NUMBERS", 2 * 3 * 1000)
    mean, variance = linear_gaussian(rng, 8000)
    whole = mutual_information(mean, variance)
    streamed = streamed_mutual_information(zip(np.split(mean, 80), np.split(variance, 80), strict=True))
    np.testing.assert_allclose(streamed.nats, whole.nats, atol=1e-12)
    # the standard deviation of 1,000 rows is known to 1 / sqrt(2,000), for tails of a χ² a little worse
    np.testing.assert_allclose(streamed.standard_error, whole.standard_error, rtol=0.15, atol=1e-12)
    assert streamed.total_standard_error == pytest.approx(whole.total_standard_error, rel=0.15)
    assert streamed.n_rows == 8000


def test_the_top_share(rng):
    found = mutual_information(*linear_gaussian(rng))
    assert found.top(1).tolist() == [0, 1, 2]
    assert found.top(1 / 3).tolist() == [0]
    assert found.top(0.34).tolist() == [0, 1]  # rounded up
    assert not len(found.top(0))
    assert found.kept(1) == pytest.approx(found.total)
    assert found.kept(1 / 3) == pytest.approx(found.nats[0])
    assert found.total_bits == pytest.approx(found.total / np.log(2))
    assert list(found.to_frame()["nats"]) == list(found.nats)
    with pytest.raises(SpecError, match="share is 10"):
        found.top(10)


def test_tensors_with_gradients_are_moments_too(rng):
    mean, variance = (torch.tensor(part, dtype=torch.float32) for part in linear_gaussian(rng, 100))
    found = mutual_information(mean.requires_grad_(), variance)
    np.testing.assert_allclose(
        found.nats, mutual_information(mean.detach().numpy(), variance.numpy()).nats, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize(
    ("mean", "variance", "said"),
    [
        (np.zeros((1, 2)), np.ones((1, 2)), "1 row, expected two rows or more"),
        (np.zeros((0, 2)), np.ones((0, 2)), "0 rows, expected two rows or more"),
        (np.zeros((3, 2)), -np.ones((3, 2)), "log variances"),
        (
            np.full((3, 2), np.nan),
            np.ones((3, 2)),
            "3 of 3 rows have, in dimensions 0, 1, not finite.*missing",
        ),
        (
            np.zeros((3, 2)),
            np.array([[1, np.inf], [1, 1], [1, 1]]),
            "1 of 3 rows have, in dimensions 1, not finite",
        ),
        (np.zeros(3), np.ones(3), r"shapes \(3,\) and \(3,\), expected"),
        (np.zeros((3, 2)), np.ones((3, 1)), r"shapes \(3, 2\) and \(3, 1\), expected"),
        ("nonsense", np.ones((3, 1)), "means are a str"),
    ],
)
def test_what_are_no_moments(mean, variance, said):
    with pytest.raises(DataError, match=said):
        mutual_information(mean, variance)


def test_batches_of_different_dimensions():
    batches = [(np.zeros((3, 2)), np.ones((3, 2))), (np.zeros((3, 1)), np.ones((3, 1)))]
    with pytest.raises(DataError, match=r"rows of \(1,\) after rows of \(2,\)"):
        streamed_mutual_information(batches)
    with pytest.raises(DataError, match="0 rows"):
        streamed_mutual_information([])
