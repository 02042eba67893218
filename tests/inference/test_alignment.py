"""An aligned start: new networks begin with what other views know of the same rows."""

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import kl_divergence

import pyro_favae as fv
from pyro_favae.errors import SpecError
from pyro_favae.inference.alignment import CARRIED, align, information, trust_components
from pyro_favae.inference.minibatches import MinibatchPasses
from pyro_favae.inference.teaching import drawn_from

QUIET = {"seed": 0, "progress": False, "device": "cpu", "batch_size": 32}
DIGITS = fv.datasets.load_digits()
N, D = 500, 8
IMAGES, TEST = DIGITS.images[:N], DIGITS.images[N : N + 300]
SMALL = fv.views.Image((1, 8, 8), D, network="dense", likelihood=fv.likelihoods.Gaussian(0.15))
DEEP = fv.views.Image(
    (1, 8, 8),
    D,
    network="small-normalised",
    likelihood=fv.likelihoods.Gaussian(0.15),
    noise=fv.priors.Gamma(per_feature=True),
)
MODEL = fv.FAVAE({"small": fv.views.Frozen(D, variances=True), "deep": DEEP}, n_factors=D)


@pytest.fixture(scope="module")
def latents() -> np.ndarray:
    small = fv.pretrain(SMALL, IMAGES, epochs=15, learning_rate=3e-3, **QUIET)
    return np.concatenate(small.encode(IMAGES), 1)


def fitted(latents: np.ndarray, **options) -> fv.Fit:
    options = {"epochs": 6, "learning_rate": 3e-3, "tolerance": 1e-12, "start": "aligned"} | QUIET | options
    return fv.fit(MODEL, {"small": latents, "deep": IMAGES}, **options)


def error(fit: fv.Fit) -> float:
    return float(np.square(fit.pretrained("deep").reconstruct(TEST) - TEST).mean())


def test_what_another_network_knows_is_passed_on(latents):
    aligned, unaligned = fitted(latents), fitted(latents, start="pca")
    assert error(aligned) < 0.85 * error(unaligned)
    assert aligned.elbo > unaligned.elbo


def test_rows_without_the_other_view_learn_from_their_own_latents(latents):
    lacking = latents.copy()
    lacking[::2] = np.nan
    fit = fitted(lacking, epochs=2)
    assert np.isfinite(fit.history["elbo"]).all()
    assert fit.history["stage"].iloc[0] == "warm-up"


def test_a_view_is_added_aligned_with_the_factors_there_are(latents):
    labels = np.eye(10)[DIGITS.labels[:N]]
    first = fv.fit(
        fv.FAVAE({"small": fv.views.Frozen(D, variances=True), "label": fv.views.Real(10)}, D),
        {"small": latents, "label": labels},
        epochs=20,
        **QUIET,
    )
    data = {"small": latents, "label": labels, "deep": IMAGES}
    options = {"epochs": 2, "learning_rate": 3e-3, **QUIET}
    grown = fv.add_view(first, "deep", DEEP, data, start="aligned", **options)
    for name in ("small", "label"):
        old, new = (fit.guide.posterior.view(name).state_dict() for fit in (first, grown))
        assert all(map(torch.equal, old.values(), new.values()))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (fv.FAVAE({"small": fv.views.Frozen(D, variances=True), "table": fv.views.Real(2)}, 2), {}),
        (fv.FAVAE({"deep": DEEP}, 2), {}),
        (fv.FAVAE({"deep": DEEP, "other": SMALL, "table": fv.views.Real(2)}, 2), {}),
        (MODEL, {"schedule": "closed-form"}),
    ],
    ids=["no network", "nothing beside", "two networks", "networks as they are"],
)
def test_one_network_has_something_to_learn_from(latents, model, options):
    data = {"small": latents, "deep": IMAGES, "other": IMAGES, "table": IMAGES[:, 0, 0, 2:4]}
    with pytest.raises(SpecError, match=r"start is 'aligned'.*one view with new networks"):
        fv.fit(
            model, {name: data[name] for name in model.views}, epochs=1, start="aligned", **QUIET, **options
        )


def test_latents_stand_for_the_factors_that_the_others_tell_most_of():
    _, guide = fv.pyro_pair(
        fv.FAVAE({"a": fv.views.Real(3), "deep": fv.views.Image((1, 4, 4), 3, network="dense")}, 4)
    )
    known, new = guide.posterior.view("a"), guide.posterior.view("deep")
    known.weights_covariance.mul_(1e-6)
    known.weights_mean[:, :-1] = torch.tensor([[0, 5.0, 0, 0], [0, 0, 0, 9], [0.1, 0, 0, 0]])
    align(guide, "deep")
    assert information(guide, ["a"]).argsort(descending=True).tolist()[:2] == [3, 1]
    expected = torch.zeros(3, 5, dtype=torch.float64)
    expected[0, 3] = expected[1, 1] = CARRIED
    assert torch.equal(new.weights_mean, expected)  # of the other factors too little is known


def test_components_are_trusted_up_to_a_little_noise():
    model = fv.FAVAE({"a": fv.views.Real(2, noise=fv.priors.Gamma(per_feature=True))}, 2)
    view = fv.pyro_pair(model)[1].posterior.view("a")
    view.noise.start(torch.tensor([4.0, 9.0], dtype=torch.float64))
    view.weights_mean[:, :-1] = torch.tensor([[2.0, 0], [0, 1]])
    trust_components(view)
    torch.testing.assert_close(1 / view.noise.mean[0], torch.tensor(4 * (1 - CARRIED**2)).double())
    torch.testing.assert_close(1 / view.noise.mean[1], torch.tensor(9 - CARRIED**2).double())


def test_the_decoder_is_taught_by_the_prior_of_taught_latents_alone():
    encoded = dist.Normal(torch.tensor([[1.0, 2.0, 3.0]] * 2), torch.tensor([0.1, 0.2, 0.3])).to_event(1)
    covariance = torch.tensor([[2.0, 0.5, 0], [0.5, 1, 0], [0, 0, 4]])
    prior = dist.MultivariateNormal(torch.zeros(2, 3), covariance)
    taught = torch.tensor([[True, True, False], [False, False, False]])
    source = drawn_from(encoded, prior, taught)
    torch.testing.assert_close(source.loc, torch.tensor([[0.0, 0, 3], [1, 2, 3]]))
    expected = covariance.clone()
    expected[2, 2] = 0.3**2
    torch.testing.assert_close(source.covariance_matrix[0], expected)
    torch.testing.assert_close(
        source.covariance_matrix[1], torch.diag(torch.tensor([0.1, 0.2, 0.3]).square())
    )
    left = kl_divergence(source, prior)[0] - kl_divergence(dist.Normal(3.0, 0.3), dist.Normal(0.0, 2.0))
    assert abs(float(left)) < 1e-5  # none of what is taught


def test_networks_that_are_known_teach_and_are_not_taught():
    known = fv.pretrain(SMALL, IMAGES, epochs=1, **QUIET)
    model = fv.FAVAE({"known": SMALL, "deep": DEEP}, n_factors=D)
    taught = []

    def look(self, views, teachers):
        taught.append(original(self, views, teachers))
        return taught[-1]

    original = MinibatchPasses._taught
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MinibatchPasses, "_taught", look)
        fv.fit(
            model,
            {"known": IMAGES, "deep": IMAGES},
            pretrained={"known": known},
            train=["known", "deep"],
            epochs=2,
            start="aligned",
            **QUIET,
        )
    steps = -(-N // QUIET["batch_size"])
    assert [list(views) for views in taught] == steps * [["deep"]] + steps * [
        []
    ]  # a pass to warm up, one to learn
    assert all(views["deep"].all() for views in taught[:steps])
