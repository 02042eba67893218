"""The gradient step of encoders: its gradient is that of the profiled bound."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.other_views import prior_from_other_views
from pyro_favae.inference.row_inference import infer_rows
from pyro_favae.inference.step import NetworkStep
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.models.favae import FAVAE
from pyro_favae.models.priors import ARD, Gamma, Grouped, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Categorical, DecoderView, Image, Real, Sequence, Tabular
from tests.inference import free_form
from tests.inference.problems import LOGISTIC, Problem, as_data, randomise

N, K = 16, 3
IMAGE = Image((1, 4, 4), latent_dim=2, network="dense")
GROUPED = Grouped(("first", "second"), mean_precision=0.5)
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
    "table and sequence": (
        {"x": Tabular(5, 2, hidden=(8,)), "t": Real(3), "y": Sequence(3, 2, 2, hidden=8)},
        StandardNormal(),
    ),
    "labels": ({"x": IMAGE, "l": Bernoulli(3), "c": Categorical(3)}, StandardNormal()),
    "groups": ({"x": IMAGE, "t": Real(4)}, GROUPED),
    "groups and labels": ({"x": IMAGE, "l": Bernoulli(3), "t": Real(2)}, GROUPED),
    "two encoders, mixture, labels": (
        {"x": IMAGE, "l": Bernoulli(2), "y": Image((1, 4, 4), latent_dim=4, network="dense")},
        Mixture(2, mean_precision=0.5),
    ),
}
KINDS = {
    Image: "encoder",
    Tabular: "encoder",
    Sequence: "encoder",
    Bernoulli: "binary",
    Categorical: "categorical",
    Real: "real",
}


class Setting:
    """A guide at a random posterior in float64, and moments of encoders as leaves.

    missing: "rows", or "entries" too of the views that may lack them.
    """

    def __init__(self, name: str, missing: str = "") -> None:
        rng = np.random.default_rng(0)
        torch.manual_seed(0)
        views, factors = CASES[name]
        self.declaration = FAVAE(views, K, weights=ARD(2.0, 2.0), noise=Gamma(2.0, 2.0), factors=factors)
        self.model, self.guide = pyro_pair(self.declaration, N)
        self.model.double()
        self.guide.double()
        randomise(self.guide.posterior, rng)
        self.snapshot = self.guide.snapshot()
        self.kinds = [KINDS[type(view)] for view in views.values()]
        self.groups = torch.as_tensor(rng.integers(0, 2, size=N)) if factors is GROUPED else None
        self.observed, self.values, self.leaves, self.pixels, self.entries = [], [], {}, {}, {}
        for v, (view_name, view) in enumerate(views.items()):
            mask = rng.random((N, 1)) < (0.75 if missing else 2.0)
            if missing == "entries" and view.missing_entries and not isinstance(view, DecoderView):
                mask = mask & (rng.random((N, view.latent_dim)) < 0.75)
            mask[-1] = True
            self.observed.append(torch.as_tensor(mask))
            values = as_data(self.kinds[v], rng.normal(size=(N, view.latent_dim)))
            if isinstance(view, DecoderView):
                mean = torch.as_tensor(values[mask[:, 0]])
                variance = torch.as_tensor(rng.gamma(2.0, 0.2, size=mean.shape))
                self.leaves[v] = (mean.requires_grad_(), variance.requires_grad_())
                self.pixels[view_name] = torch.as_tensor(rng.random(size=(N, *view.event_shape)))
                entries = torch.as_tensor(rng.random((N, *view.event_shape)) < 0.6)
                split = missing == "entries" and view.missing_entries
                self.entries[view_name] = entries[mask[:, 0]] if split else None
            self.values.append(torch.as_tensor(values * mask))

    def rows(self):
        views = {}
        for v, (name, kind) in enumerate(zip(self.declaration.views, self.kinds, strict=True)):
            view, mask = self.snapshot.views[name], self.observed[v]
            if kind == "encoder":
                views[name] = EncodedRows(view, mask, *self.leaves[v], self.entries[name])
            else:
                views[name] = LOGISTIC.get(kind, GaussianRows)(view, mask, self.values[v])
        rows = infer_rows(
            self.snapshot,
            list(views.values()),
            N,
            iterations=500,
            tolerance=1e-12,
            groups=self.groups,
        )
        return rows, views

    def prior(self) -> tuple[Tensor, Tensor]:
        """Precision (N, K, K) of the rows' factors under their prior, and their means by component, (N, C, K)."""
        factors = self.guide.posterior.factors
        groups = torch.zeros(N).long() if self.groups is None else self.groups
        return factors.prior_precision[groups], factors.prior_means[groups]

    def message(self, v: int, n: int, rows) -> Tensor:
        """What view v says of the factors of row n: a precision and a linear part, (K, K + 1), entry by entry."""
        q, local = self.snapshot.views[self.guide.names[v]], rows.views[v]
        d = len(q.noise)
        total, covariance = torch.zeros(K, K + 1).double(), q.weights.covariance.expand(d, K + 1, K + 1)
        for i in range(d):
            if not self.observed[v].expand(N, d)[n, i]:
                continue
            tau, w = q.noise[i], q.weights.mean[i]
            if self.kinds[v] in LOGISTIC:  # the answer h / 2λ, with the noise of z integrated out
                curvature = local.total_precision[n, i] - tau
                z = local.latent_mean(torch.zeros(d).double())[n, i] * local.total_precision[n, i] / curvature
                tau = 1 / (1 / tau + 1 / curvature)
            else:
                z = local.mean[n, i]
            second = torch.outer(w, w) + covariance[i]
            total[:, :K] += tau * second[:K, :K]
            total[:, K] += tau * (z * w[:K] - second[:K, K])
        return total

    def placed(self, v: int) -> tuple[Tensor, Tensor]:
        """An encoder's moments at all rows, differentiable."""
        mean, variance = self.leaves[v]
        where = self.observed[v][:, 0].nonzero()[:, 0]
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
            list(self.values),
            [None] * len(self.kinds),
            self.groups,
        )
        for v in self.leaves:
            problem.data[v], problem.variance[v] = self.placed(v)
        free = free_form.read(problem, rows)
        # the optimum over q(g | z, component) and q(component), followed by autograd
        linear = 0.0
        for v, kind in enumerate(self.kinds):
            if kind == "encoder":
                view, tau = self.guide.posterior.views[v], self.snapshot.views[self.guide.names[v]].noise
                cross = view.weights.weighted_second_moment(tau)[:-1, -1]
                free.mean[v], free.variance[v] = problem.data[v], problem.variance[v]
                message = problem.data[v] @ (tau[:, None] * view.weights.weights) - cross
                linear = linear + self.observed[v] * message
            else:
                linear = linear + rows.views[v].linear
        factors, (precision, means) = self.guide.posterior.factors, self.prior()
        total = means @ precision + linear[:, None]
        free.means = total @ free.covariance
        free.logits = factors.log_weights + 0.5 * (total * free.means).sum(-1)
        return free_form.bound(self.guide.posterior, free_form.statistics(problem, free))

    def likelihood(self, v: int, name: str) -> Tensor:
        mean, variance = self.leaves[v]
        latents = torch.distributions.Normal(mean, variance.sqrt()).rsample()
        emission, entries = self.model.emission(name), self.entries[name]
        density = emission.likelihood.distribution(emission.decoded(latents))
        values = density.log_prob(self.pixels[name][self.observed[v][:, 0]])
        return values.sum() if entries is None else values[entries].sum()


@pytest.mark.filterwarnings(
    "ignore::pyro_favae.errors.SpecWarning"
)  # one view of fewer dimensions than factors
@pytest.mark.parametrize(
    "missing", ["", "rows", "entries"], ids=["complete", "missing rows", "missing entries"]
)
@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_that_of_the_profiled_bound(name, missing):
    setting = Setting(name, missing)
    rows, views = setting.rows()
    step = NetworkStep(setting.guide, list(setting.pixels), 1e-3, 10)
    profiled = setting.profiled()
    for v, leaves in setting.leaves.items():
        view = list(setting.declaration.views)[v]
        torch.manual_seed(5)
        prior_of = partial(prior_from_other_views, setting.snapshot, rows)
        loss = step.loss(view, setting.pixels[view], views[view], prior_of)
        loss = loss * int(setting.observed[v].sum())
        actual = torch.cat(torch.autograd.grad(-loss, leaves))
        # the same draw of the latents; its gradient would otherwise hide the rest's
        torch.manual_seed(5)
        likelihood = torch.cat(torch.autograd.grad(setting.likelihood(v, view), leaves))
        expected = torch.cat(torch.autograd.grad(profiled, leaves, retain_graph=True))
        error = float((actual - likelihood - expected).norm() / expected.norm())
        print(f"{view}: relative error {error:.2g}")
        assert error < 1e-9


@pytest.mark.parametrize("name", ["noise of each dimension", "labels", "two encoders, mixture, labels"])
def test_the_profiled_bound_is_the_bound(name):
    setting = Setting(name, "entries")
    rows, _ = setting.rows()
    expected = free_form.bound(setting.guide.posterior, rows.statistics())
    torch.testing.assert_close(setting.profiled(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("beta", [0.5, 4.0])
def test_beta_tempers_the_likelihood_alone(beta):
    """The step follows likelihood / β plus the rest, and leaves the untempered likelihood in the rows."""
    losses, likelihoods = [], []
    for value in (1.0, beta):
        setting = Setting("one encoder")
        views = {
            **setting.declaration.views,
            "x": Image((1, 4, 4), latent_dim=2, network="dense", beta=value),
        }
        setting.guide.declaration = FAVAE(views, K)
        rows, encoded = setting.rows()
        torch.manual_seed(5)
        step = NetworkStep(setting.guide, ["x"], 1e-3, 10)
        prior_of = partial(prior_from_other_views, setting.snapshot, rows)
        loss = step.loss("x", setting.pixels["x"], encoded["x"], prior_of)
        losses.append(N * float(loss.detach()))
        likelihoods.append(float(encoded["x"].log_likelihood))
    assert likelihoods[0] == pytest.approx(likelihoods[1], rel=1e-9)
    assert losses[1] - losses[0] == pytest.approx((1 - 1 / beta) * likelihoods[0], rel=1e-9)


@pytest.mark.parametrize("name", [name for name in CASES if name != "alone"])
def test_the_prior_from_other_views_is_the_conditional_of_the_joint(name):
    """p(z | other views), row by row, against the dense joint Gaussian of factors and latents."""
    setting = Setting(name, "entries")
    rows, views = setting.rows()
    prior = prior_from_other_views(setting.snapshot, rows, views["x"])
    q = setting.snapshot.views["x"]
    (w, b), d = (q.weights.weights, q.weights.bias), len(q.noise)
    seen = setting.observed[0][:, 0].nonzero()[:, 0]
    for i, n in enumerate(seen):
        precision, linear = torch.zeros(K + d, K + d).double(), torch.zeros(K + d).double()
        before, means = (part[n] for part in setting.prior())
        precision[:K, :K] = before
        linear[:K] = before @ (rows.responsibilities[n] @ means)
        for v, other in enumerate(setting.declaration.views):
            if other != "x":
                says = setting.message(v, n, rows)
                precision[:K, :K] += says[:, :K]
                linear[:K] += says[:, K]
        # the latents' own part: τ (z − W̄ g − b̄)², and W's uncertainty, which acts on the factors whatever z is
        linked = torch.cat([w, -torch.eye(d).double()], 1)
        precision = precision + linked.mT @ torch.diag(q.noise) @ linked
        linear = linear - linked.mT @ (q.noise * b)
        covariance = torch.einsum("d,dkl->kl", q.noise, q.weights.covariance.expand(d, K + 1, K + 1))
        precision[:K, :K] += covariance[:K, :K]
        linear[:K] -= covariance[:K, K]
        joint = torch.linalg.inv(precision)
        torch.testing.assert_close(prior.mean[i], (joint @ linear)[K:], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(prior.covariance_matrix[i], joint[K:, K:], rtol=1e-9, atol=1e-9)


def test_a_batch_in_which_no_row_has_the_view_is_skipped():
    setting = Setting("one encoder")
    setting.observed[0] = setting.observed[0] & False
    setting.leaves[0] = tuple(leaf.detach()[:0].requires_grad_() for leaf in setting.leaves[0])
    rows, views = setting.rows()
    step = NetworkStep(setting.guide, ["x"], 1e-3, 10)
    before = {name: value.clone() for name, value in setting.guide.state_dict().items()}
    step(setting.pixels, views, partial(prior_from_other_views, setting.snapshot, rows))
    for name, value in setting.guide.state_dict().items():
        assert (value == before[name]).all()
