"""The gradient step of encoders: its gradient is that of the profiled bound."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.rows import infer_rows
from pyro_favae.inference.step import NetworkStep, prior_from_other_views
from pyro_favae.inference.views.bernoulli import BernoulliRows
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, Gamma, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Image, Real
from tests.inference import free_form
from tests.inference.problems import Problem, randomise

N, K = 16, 3
IMAGE = Image((1, 4, 4), latent_dim=2, network="dense")
CASES = {
    "one encoder": ({"x": IMAGE, "t": Real(4)}, StandardNormal()),
    "alone": ({"x": IMAGE}, StandardNormal()),
    "noise of each dimension": (
        {"x": Image((1, 4, 4), 4, "dense", noise=Gamma(per_feature=True)), "t": Real(2)},
        StandardNormal(),
    ),
    "two encoders": (
        {"x": IMAGE, "t": Real(3), "y": Image((1, 4, 4), latent_dim=4, network="dense")},
        StandardNormal(),
    ),
    "mixture": ({"x": IMAGE, "t": Real(4)}, Mixture(3, mean_precision=0.5)),
    "two encoders, mixture, labels": (
        {"x": IMAGE, "l": Bernoulli(2), "y": Image((1, 4, 4), latent_dim=4, network="dense")},
        Mixture(2, mean_precision=0.5),
    ),
}


class Setting:
    """A guide at a random posterior in float64, and moments of encoders as leaves."""

    def __init__(self, name: str, missing: bool) -> None:
        rng = np.random.default_rng(0)
        torch.manual_seed(0)
        views, factors = CASES[name]
        self.declaration = FAVAE(views, K, weights=ARD(2.0, 2.0), noise=Gamma(2.0, 2.0), factors=factors)
        self.model, self.guide = pyro_pair(self.declaration, N)
        self.model.double()
        self.guide.double()
        randomise(self.guide.posterior, rng)
        self.kinds, self.observed, self.values, self.leaves, self.pixels = [], [], [], {}, {}
        for v, (view_name, view) in enumerate(views.items()):
            mask = torch.as_tensor(rng.random(N) < (0.75 if missing else 2.0))
            mask[-1] = True
            self.observed.append(mask)
            d = view.latent_dim
            if isinstance(view, Image):
                self.kinds.append("encoder")
                self.values.append(None)
                mean = torch.as_tensor(rng.normal(size=(int(mask.sum()), d)))
                variance = torch.as_tensor(rng.gamma(2.0, 0.2, size=mean.shape))
                self.leaves[v] = (mean.requires_grad_(), variance.requires_grad_())
                self.pixels[view_name] = torch.as_tensor(rng.random(size=(N, 1, 4, 4)))
            else:
                self.kinds.append("binary" if isinstance(view, Bernoulli) else "real")
                z = rng.normal(size=(N, d))
                z = (z > 0).astype(float) if self.kinds[-1] == "binary" else z
                self.values.append(torch.as_tensor(z) * mask[:, None])

    def rows(self):
        views = {}
        for v, (name, kind) in enumerate(zip(self.declaration.views, self.kinds, strict=True)):
            posterior, mask = self.guide.posterior.views[v], self.observed[v]
            if kind == "encoder":
                views[name] = EncodedRows(posterior, mask, *self.leaves[v])
            elif kind == "binary":
                views[name] = BernoulliRows(posterior, mask, self.values[v])
            else:
                views[name] = GaussianRows(posterior, mask, self.values[v])
        rows = infer_rows(self.guide.posterior, list(views.values()), N, iterations=500, tolerance=0.0)
        return rows, views

    def placed(self, v: int) -> tuple[Tensor, Tensor]:
        """An encoder's moments at all rows, differentiable."""
        mask = self.observed[v]
        mean, variance = self.leaves[v]
        where = mask.nonzero()[:, 0]
        size = (N, mean.shape[1])
        filled = torch.ones(size, dtype=torch.float64).index_copy(0, where, variance)
        return torch.zeros(size, dtype=torch.float64).index_copy(0, where, mean), filled

    def profiled(self) -> Tensor:
        """The bound with q of the rows a function of the encoders' moments, decoders' likelihood apart."""
        rows, _ = self.rows()
        problem = Problem(
            self.declaration,
            self.kinds,
            self.guide.posterior,
            self.observed,
            [torch.zeros(N, 1) if values is None else values for values in self.values],
            [None] * len(self.kinds),
        )
        for v in self.leaves:
            problem.data[v], problem.variance[v] = self.placed(v)
        free = free_form.read(problem, rows)
        # the optimum over q(g | z, component) and q(component), followed by autograd
        linear = 0.0
        for v, kind in enumerate(self.kinds):
            view, mask = self.guide.posterior.views[v], self.observed[v][:, None]
            scaled = view.noise.mean.expand(view.n_features)[:, None] * view.weights.weights
            cross = view.weights.weighted_second_moment(view.noise.mean.expand(view.n_features))[:-1, -1]
            if kind == "encoder":
                free.mean[v], free.variance[v] = problem.data[v], problem.variance[v]
                linear = linear + mask * (problem.data[v] @ scaled - cross)
            else:
                linear = linear + rows.views[v].linear
        factors = self.guide.posterior.factors
        total = factors.component_means + linear[:, None]
        free.means = total @ free.covariance
        free.logits = factors.log_weights + 0.5 * (total * free.means).sum(-1)
        return free_form.bound(self.guide.posterior, free_form.statistics(problem, free))

    def likelihood(self, v: int, name: str) -> Tensor:
        mean, variance = self.leaves[v]
        latents = torch.distributions.Normal(mean, variance.sqrt()).rsample()
        emission = self.model.emission(name)
        density = emission.likelihood.distribution(emission.decoded(latents))
        return density.log_prob(self.pixels[name][self.observed[v]]).sum()


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_that_of_the_profiled_bound(name, missing):
    setting = Setting(name, missing)
    rows, views = setting.rows()
    step = NetworkStep(setting.guide, 1e-3, 10)
    profiled = setting.profiled()
    for v, leaves in setting.leaves.items():
        view = list(setting.declaration.views)[v]
        torch.manual_seed(5)
        loss = step._loss(view, setting.pixels[view], rows, views[view]) * int(setting.observed[v].sum())
        actual = torch.cat(torch.autograd.grad(-loss, leaves))
        # the same draw of the latents; its gradient would otherwise hide the rest's
        torch.manual_seed(5)
        likelihood = torch.cat(torch.autograd.grad(setting.likelihood(v, view), leaves))
        expected = torch.cat(torch.autograd.grad(profiled, leaves, retain_graph=True))
        error = float((actual - likelihood - expected).norm() / expected.norm())
        print(f"{view}: relative error {error:.2g}")
        assert error < 1e-5


def test_the_profiled_bound_is_the_bound():
    setting = Setting("two encoders, mixture, labels", True)
    rows, _ = setting.rows()
    expected = free_form.bound(setting.guide.posterior, rows.statistics())
    torch.testing.assert_close(setting.profiled(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("beta", [0.5, 4.0])
def test_beta_tempers_the_likelihood_alone(beta):
    """The step follows likelihood / β plus the rest, and leaves the untempered likelihood in the rows."""
    losses, likelihoods = [], []
    for value in (1.0, beta):
        setting = Setting("one encoder", False)
        views = {
            **setting.declaration.views,
            "x": Image((1, 4, 4), latent_dim=2, network="dense", beta=value),
        }
        setting.guide.declaration = FAVAE(views, K)
        rows, encoded = setting.rows()
        torch.manual_seed(5)
        loss = NetworkStep(setting.guide, 1e-3, 10)._loss("x", setting.pixels["x"], rows, encoded["x"])
        losses.append(N * float(loss.detach()))
        likelihoods.append(float(encoded["x"].log_likelihood))
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=1e-9)
    assert losses[1] - losses[0] == pytest.approx((1 - 1 / beta) * likelihoods[0], rel=1e-9)


def test_the_prior_from_other_views_is_the_conditional_of_the_joint():
    """p(z | other views) against dense conditioning of the joint Gaussian of factors and latents."""
    setting = Setting("one encoder", False)
    rows, views = setting.rows()
    posterior = setting.guide.posterior
    prior = prior_from_other_views(posterior, rows, views["x"])
    image, table = posterior.views
    eye = torch.eye(K, dtype=torch.float64)
    # the latents' own weight uncertainty acts on the factors whatever z is
    own = image.weights.weighted_second_moment(image.noise.mean.expand(2))
    own = own - (image.weights_mean.mT * image.noise.mean) @ image.weights_mean
    second = table.weights.weighted_second_moment(table.noise.mean.expand(4))
    precision = eye + second[:-1, :-1] + own[:-1, :-1]
    scaled = table.noise.mean * table.weights.weights
    linear = setting.values[1] @ scaled - second[:-1, -1] - own[:-1, -1]
    covariance = torch.linalg.inv(precision)
    mean = linear @ covariance @ image.weights.weights.mT + image.weights.bias
    spread = image.weights.weights @ covariance @ image.weights.weights.mT + torch.eye(2) / image.noise.mean
    torch.testing.assert_close(prior.mean, mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(prior.covariance_matrix[0], spread, rtol=1e-9, atol=1e-9)


def test_a_batch_in_which_no_row_has_the_view_is_skipped():
    setting = Setting("one encoder", False)
    setting.observed[0] = setting.observed[0] & False
    setting.leaves[0] = tuple(leaf.detach()[:0].requires_grad_() for leaf in setting.leaves[0])
    rows, views = setting.rows()
    step = NetworkStep(setting.guide, 1e-3, 10)
    before = {name: value.clone() for name, value in setting.guide.state_dict().items()}
    step(setting.pixels, rows, views)
    for name, value in setting.guide.state_dict().items():
        assert (value == before[name]).all()
