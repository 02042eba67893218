"""The closed-form bound against Pyro: sampled bounds of (model, guide), NUTS, and the usual handlers."""

import math
from functools import partial

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import MCMC, NUTS, Predictive, Trace_ELBO

from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.rows import infer_rows
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.priors import ARD, Gamma, Mixture, StandardNormal
from pyro_favae.models.views import Bernoulli, Image, Real
from tests.inference.check_priors import latent_sites
from tests.inference.problems import randomise

PROPER = {"weights": ARD(2.0, 2.0), "noise": Gamma(2.0, 2.0), "bias_precision": 1.0}
N = 12


class Pair:
    """A small model and guide, fitted for some sweeps, and their data."""

    def __init__(
        self, views, n_factors: int = 2, n: int = N, missing: bool = True, sweeps: int = 15, **options
    ):
        rng = np.random.default_rng(0)
        declaration = FAVAE(views, n_factors, **(PROPER | options))
        torch.manual_seed(0)
        self.model, self.guide = pyro_pair(declaration, n)
        self.guide.eval()
        latent = rng.normal(size=(n, n_factors)) + 2 * rng.integers(0, 2, size=(n, 1))
        self.data, self.observed = {}, {}
        for i, (name, view) in enumerate(views.items()):
            z = latent @ rng.normal(size=(n_factors, view.latent_dim))
            z = 3 + z + 0.5 * rng.normal(size=z.shape)
            if isinstance(view, Bernoulli):
                values = torch.as_tensor((z > 3).astype(float))
            elif isinstance(view, Image):
                values = torch.rand(n, *view.shape)
            else:
                values = torch.as_tensor(z)
            mask = torch.ones(n, dtype=torch.bool)
            if missing:
                mask[i] = mask[i + 4] = False
            self.observed[name] = mask
            self.data[name] = values.where(mask.reshape(-1, *[1] * (values.dim() - 1)), 0.0)
            self.model.emission(name).calibrate(self.data[name][mask])
        with torch.no_grad():
            for view in self.guide.posterior.views:
                view.weights_mean.copy_(torch.as_tensor(0.3 * rng.normal(size=view.weights_mean.shape)))
            if isinstance(declaration.factors, Mixture):
                self.guide.posterior.factors.means.copy_(
                    torch.as_tensor(rng.normal(size=(declaration.factors.n_components, n_factors)))
                )
        for _ in range(sweeps):
            self.guide.posterior.update(self.rows().statistics())

    def rows(self):
        with torch.no_grad():
            views = self.guide.view_rows(self.data, self.observed)
            return self.guide.infer(views, len(next(iter(self.data.values()))))

    def bound(self) -> dict[str, float]:
        return elbo_terms(self.guide.posterior, self.rows().statistics())

    def sampled(self, draws: int) -> np.ndarray:
        """Draws of log p − log q from Pyro's own ELBO."""
        elbo = Trace_ELBO(max_plate_nesting=1)
        with torch.no_grad():
            return -np.array(
                [elbo.loss(self.model, self.guide, self.data, self.observed) for _ in range(draws)]
            )

    def sampled_apart(self, names: list[str], draws: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Draws of log p − log q without the likelihoods of some views, and of those likelihoods."""
        rest, likelihoods = [], {name: [] for name in names}
        with torch.no_grad():
            for _ in range(draws):
                guide = poutine.trace(self.guide).get_trace(self.data, self.observed)
                model = poutine.trace(poutine.replay(self.model, guide)).get_trace(self.data, self.observed)
                rest.append(float(model.log_prob_sum() - guide.log_prob_sum()))
                for name, values in likelihoods.items():
                    values.append(float(model.nodes[f"{name}.data"]["log_prob_sum"]))
                    rest[-1] -= values[-1]
        return np.array(rest), {name: np.array(values) for name, values in likelihoods.items()}

    def evaluated(self, name: str, draws: int) -> np.ndarray:
        """Draws of the likelihood of a view behind a decoder as the loop takes them."""
        values = []
        inference, emission = self.guide.inference(name), self.model.emission(name)
        with torch.no_grad():
            rows = self.guide.view_rows({name: self.data[name]}, self.observed)[name]
            for _ in range(draws):
                inference.evaluate(rows, self.data[name], emission)
                values.append(float(rows.log_likelihood))
        return np.array(values)


def standard_error(values: np.ndarray) -> float:
    return values.std(ddof=1) / math.sqrt(len(values))


@pytest.mark.parametrize(
    ("views", "options"),
    [
        ({"a": Real(3), "b": Real(2, standardise="none")}, {}),
        ({"a": Real(3, noise=Gamma(2.0, 2.0, per_feature=True)), "b": Real(2, standardise="feature")}, {}),
        ({"a": Real(3), "b": Real(2)}, {"factors": Mixture(2, mean_precision=0.5)}),
    ],
    ids=["real", "noise of each feature", "mixture"],
)
def test_the_bound_is_the_sampled_elbo(views, options):
    pair = Pair(views, **options)
    draws = pair.sampled(300)
    error = standard_error(draws)
    assert error < 0.5
    assert abs(draws.mean() - sum(pair.bound().values())) < 4 * error


IMAGE = Image((1, 8, 8), latent_dim=2, network="dense")


@pytest.mark.parametrize(
    ("views", "options"),
    [
        ({"image": IMAGE, "table": Real(3)}, {}),
        (
            {"image": IMAGE, "table": Real(3), "other image": IMAGE},
            {"factors": Mixture(2, mean_precision=0.5)},
        ),
    ],
    ids=["one", "two and a mixture"],
)
def test_the_bound_is_the_sampled_elbo_with_image_views(views, options):
    """q(g | z) is conditional on the encoders' latents, in the guide as in the closed forms.

    The likelihoods behind decoders have no closed form: they are compared draws with draws.
    """
    pair = Pair(views, **options)
    images = [name for name, view in views.items() if isinstance(view, Image)]
    rest, likelihoods = pair.sampled_apart(images, 300)
    bound = pair.bound()
    closed = sum(value for name, value in bound.items() if name not in [f"{i}.likelihood" for i in images])
    assert standard_error(rest) < 0.5
    assert abs(rest.mean() - closed) < 4 * standard_error(rest)
    for name, draws in likelihoods.items():
        evaluated = pair.evaluated(name, 600)
        error = math.hypot(standard_error(draws), standard_error(evaluated))
        assert abs(draws.mean() - evaluated.mean()) < 4 * error


def test_the_bound_lies_below_the_sampled_elbo_with_a_binary_view():
    """By Jaakkola's bound alone: the gap is positive, and small beside the binary view's likelihood."""
    pair = Pair({"a": Real(3), "labels": Bernoulli(3)})
    draws = pair.sampled(300)
    bound = pair.bound()
    gap = draws.mean() - sum(bound.values())
    print(f"gap {gap:.3g} nats")
    assert gap > 4 * standard_error(draws)
    assert gap < 0.2 * abs(bound["labels.likelihood"])


EVERYTHING = {
    "image": Image((1, 8, 8), latent_dim=2, network="dense"),
    "labels": Bernoulli(["p", "q", "r"]),
    "table": Real(4, noise=Gamma(2.0, 2.0, per_feature=True)),
}


@pytest.fixture(scope="module")
def everything() -> Pair:
    return Pair(EVERYTHING, n_factors=3, sweeps=2, factors=Mixture(2))


def test_sites_and_shapes(everything):
    data, observed = everything.data, everything.observed
    trace = poutine.trace(everything.model).get_trace(data, observed)
    shapes = {"factors": (N, 3), "component": (N,), "component_means": (2, 3), "proportions": (2,)}
    for name, size in (("image", 2), ("labels", 3), ("table", 4)):
        shapes |= {
            f"{name}.relevance": (3,),
            f"{name}.weights": (size, 3),
            f"{name}.bias": (size,),
            f"{name}.noise_precision": (4,) if name == "table" else (),
            f"{name}.data": tuple(data[name].shape),
        }
        if name != "table":
            shapes[f"{name}.latents"] = (N, size)
    sites = {name: site for name, site in trace.nodes.items() if name in shapes}
    assert {name: tuple(site["value"].shape) for name, site in sites.items()} == shapes
    assert {name for name, site in sites.items() if site["is_observed"]} == {f"{n}.data" for n in EVERYTHING}
    assert set(latent_sites(partial(everything.model, data, observed))[1]) == {
        name for name, site in sites.items() if not site["is_observed"]
    }


def test_every_latent_site_of_the_model_is_in_the_guide(everything):
    data, observed = everything.data, everything.observed
    _, model = latent_sites(partial(everything.model, data, observed))
    _, guide = latent_sites(partial(everything.guide, data, observed))
    assert model.keys() == guide.keys()
    for name, site in model.items():
        assert guide[name]["value"].shape == site["value"].shape, name
        assert [f.name for f in guide[name]["cond_indep_stack"]] == [
            f.name for f in site["cond_indep_stack"]
        ], name


@pytest.mark.parametrize("factors", [StandardNormal(), Mixture(2)], ids=["normal", "mixture"])
def test_the_guides_conditionals_are_exact(factors):
    """q(w, b) is the joint Gaussian; q(g | z) the posterior had z been seen; q(z_binary | g) as in the rows."""
    views = {"image": IMAGE, "labels": Bernoulli(3), "table": Real(4)}
    pair = Pair(views, n_factors=3, sweeps=0, factors=factors)
    posterior = pair.guide.posterior
    randomise(posterior, np.random.default_rng(2))
    trace = poutine.trace(pair.guide).get_trace(pair.data, pair.observed)
    trace.compute_log_prob()
    sites = {name: site for name, site in trace.nodes.items() if site["type"] == "sample"}
    value = {name: site["value"] for name, site in sites.items()}
    for name in views:
        mean, covariance = posterior.view(name).weights
        joint = torch.distributions.MultivariateNormal(mean, covariance)
        drawn = torch.cat([value[f"{name}.weights"], value[f"{name}.bias"][:, None]], 1)
        log_q = sites[f"{name}.weights"]["log_prob"] + sites[f"{name}.bias"]["log_prob"]
        torch.testing.assert_close(log_q, joint.log_prob(drawn), rtol=1e-9, atol=1e-9)

    with torch.no_grad():
        rows = pair.guide.view_rows(pair.data, pair.observed)
        local = pair.guide.infer(rows, N)
        seen = GaussianRows(posterior.view("image"), pair.observed["image"], value["image.latents"])
        labels = rows["labels"]
        # at the ξ that the draw's q had, not the one that this z would lead to
        given = infer_rows(posterior, [seen, labels, rows["table"]], N, iterations=0)
    component = value.get("component", torch.zeros(N, dtype=torch.long))
    expected = given.component_factors[torch.arange(N), component]
    actual = sites["factors"]["fn"]
    torch.testing.assert_close(actual.mean, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        actual.covariance_matrix, given.covariance.matrices[given.covariance.index], rtol=1e-5, atol=1e-5
    )
    latents = sites["labels.latents"]["fn"]
    torch.testing.assert_close(latents.mean, labels.latent_mean(value["factors"]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(latents.variance, 1 / labels.total_precision, rtol=1e-5, atol=1e-5)
    if "component" in value:
        torch.testing.assert_close(sites["component"]["fn"].probs, local.responsibilities)


def test_the_guide_without_data_is_the_prior_of_the_rows(everything):
    _, sites = latent_sites(partial(everything.guide, rows=5))
    assert sites["factors"]["value"].shape == (5, 3)
    eye = torch.eye(3, dtype=torch.float64).expand(5, 3, 3)
    torch.testing.assert_close(sites["factors"]["fn"].covariance_matrix, eye)


def test_a_smaller_batch_is_scaled_to_the_data_set(everything):
    data = {name: values[:4] for name, values in everything.data.items()}
    trace = poutine.trace(everything.model).get_trace(data)
    assert trace.nodes["table.data"]["scale"] == N / 4
    assert trace.nodes["table.weights"]["scale"] == 1


def test_a_missing_view_has_no_weight(everything):
    trace = poutine.trace(everything.model).get_trace(everything.data, everything.observed)
    trace.compute_log_prob()
    for name, mask in everything.observed.items():
        log_prob = trace.nodes[f"{name}.data"]["log_prob"]
        assert (log_prob[~mask] == 0).all()
        assert (log_prob[mask] != 0).all()


def test_condition_draw_and_return(everything):
    weights = torch.ones(4, 3, dtype=torch.float64)
    conditioned = poutine.condition(everything.model, {"table.weights": weights})
    drawn = conditioned(rows=6)
    assert {name: tuple(values.shape) for name, values in drawn.items()} == {
        "image": (6, 1, 8, 8),
        "labels": (6, 3),
        "table": (6, 4),
    }
    trace = poutine.trace(conditioned).get_trace(rows=6)
    assert trace.nodes["table.weights"]["is_observed"]
    assert (trace.nodes["table.weights"]["value"] == weights).all()


def test_views_that_are_not_given_are_drawn(everything):
    drawn = everything.model({"table": everything.data["table"]})
    assert (drawn["table"] == everything.data["table"]).all()
    assert set(drawn["labels"].unique().tolist()) <= {0.0, 1.0}


def test_predictive(everything):
    prior = Predictive(everything.model, num_samples=3)(rows=5)
    assert prior["table.data"].shape == (3, 5, 4)
    posterior = Predictive(everything.model, guide=everything.guide, num_samples=3)(rows=5)
    assert posterior["labels.data"].shape == (3, 5, 3)
    assert posterior["factors"].shape == (3, 5, 3)


def test_render_model(everything):
    pytest.importorskip("graphviz")
    graph = pyro.render_model(everything.model, model_args=(everything.data, everything.observed))
    assert "factors" in graph.source


def test_two_models_do_not_share_state():
    first, second = Pair(EVERYTHING, n_factors=3, sweeps=1), Pair(EVERYTHING, n_factors=3, sweeps=0)
    assert not torch.allclose(
        first.guide.posterior.views[2].weights_mean, second.guide.posterior.views[2].weights_mean
    )
    assert not list(pyro.get_param_store())


def test_closed_forms_are_buffers():
    guide = FAVAEGuide(FAVAEModel(FAVAE(EVERYTHING, 2), 5))
    assert not list(guide.posterior.parameters())
    assert "posterior.views.0.weights_mean" in guide.state_dict()
    encoder = guide.inference("image")
    assert {id(p) for p in guide.parameters()} == {id(p) for p in encoder.parameters()}


@pytest.mark.slow
def test_nuts_agrees():
    """The exact posterior by Pyro's NUTS on the same model; mean field may be narrower, not elsewhere."""
    rng = np.random.default_rng(1)
    n = 30
    factor = rng.normal(size=(n, 1))
    data = {}
    for name, size in (("a", 3), ("b", 2)):
        weights = rng.normal(size=(1, size)) + np.sign(rng.normal(size=(1, size)))
        data[name] = torch.as_tensor(factor @ weights + 0.6 * rng.normal(size=(n, size)))
    declaration = FAVAE(
        {name: Real(values.shape[1], standardise="none") for name, values in data.items()}, 1, **PROPER
    )
    model, guide = pyro_pair(declaration, n)
    with torch.no_grad():
        for view in guide.posterior.views:
            view.weights_mean[:, :-1] = torch.randn(view.n_features, 1, dtype=torch.float64).abs() + 0.5
        for _ in range(300):
            rows = guide.infer(guide.view_rows(data), n)
            guide.posterior.update(rows.statistics())
    pyro.set_rng_seed(0)
    kernel = NUTS(model, max_tree_depth=5, target_accept_prob=0.7)
    mcmc = MCMC(kernel, num_samples=200, warmup_steps=100, disable_progbar=True)
    mcmc.run(data)
    draws = mcmc.get_samples()
    for name in data:
        view = guide.posterior.view(name)
        tau = draws[f"{name}.noise_precision"]
        distance = float((view.noise.mean[0] - tau.mean()).abs() / tau.std())
        print(f"{name}.noise_precision: {distance:.2f} posterior sd away")
        assert distance < 0.5, name
        weights = draws[f"{name}.weights"][..., 0]
        outer = weights[:, :, None] * weights[:, None, :]
        w, size = view.weights, view.n_features
        mean = w.weights @ w.weights.mT + torch.diag(w.covariance[0, 0, 0].expand(size))
        distances = (mean - outer.mean(0)).abs() / outer.std(0)
        print(f"{name}.weights: {float(distances.max()):.2f} posterior sd away")
        assert distances.max() < 0.5, name
