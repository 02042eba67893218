"""The closed-form bound against Pyro: sampled bounds of (model, guide), NUTS, and the usual handlers."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine
from pyro.infer import Predictive, Trace_ELBO

from pyro_favae.data import prepare
from pyro_favae.fitting import pyro_pair
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.linear_algebra import unpack
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.start import calibrate
from pyro_favae.inference.views.gaussian import GaussianRows
from pyro_favae.models.favae import FAVAE, FAVAEModel
from pyro_favae.models.priors import Custom, FixedNoise, Gamma, Grouped, Mixture, StandardNormal
from pyro_favae.models.views import (
    Bernoulli,
    Categorical,
    DecoderView,
    Frozen,
    Image,
    Real,
    Sequence,
    Tabular,
    View,
)
from tests.inference.check_priors import latent_sites
from tests.inference.problems import PROPER, randomise

N, DRAWS = 12, 200


class Pair:
    """A small model and guide, fitted for some sweeps, and their data.

    missing: "rows", or "entries" too of the views that may lack them.
    """

    def __init__(self, views, n_factors: int = 2, missing: str = "rows", sweeps: int = 15, **options):
        rng = np.random.default_rng(0)
        declaration = FAVAE(views, n_factors, **(PROPER | options))
        torch.manual_seed(0)
        self.model, self.guide = pyro_pair(declaration, N)
        self.guide.eval()
        latent = rng.normal(size=(N, n_factors)) + 2 * rng.integers(0, 2, size=(N, 1))
        data = {}
        for i, (name, view) in enumerate(views.items()):
            data[name] = emitted(view, latent, rng)
            if missing == "entries" and view.missing_entries:
                data[name][rng.random(data[name].shape) < 0.25] = np.nan
            data[name][[i, i + 4]] = np.nan
        grouped = isinstance(declaration.factors, Grouped)
        if grouped:
            data["group"] = rng.choice(declaration.factors.groups, size=N)
        dataset, cpu = prepare(declaration, data), torch.device("cpu")
        calibrate(self.guide, dataset, self.guide.names, N)
        batch = dataset.batch(slice(None), cpu)
        self.data, self.observed, self.groups = batch.data, batch.observed, batch.groups
        if grouped:
            self.data["group"] = batch.groups
        with torch.no_grad():
            for view in self.guide.posterior.views:
                view.weights_mean.copy_(torch.as_tensor(0.3 * rng.normal(size=view.weights_mean.shape)))
            if isinstance(declaration.factors, Mixture):
                self.guide.posterior.factors.means.copy_(
                    torch.as_tensor(rng.normal(size=(declaration.factors.n_components, n_factors)))
                )
        for _ in range(sweeps):
            self.guide.posterior.update(self.rows()[1].statistics())

    def rows(self) -> tuple[dict[str, ViewRows], Rows]:
        with torch.no_grad():
            views = self.guide.view_rows({name: self.data[name] for name in self.observed}, self.observed)
            return views, self.guide.infer(views, N, groups=self.groups)

    def bound(self) -> dict[str, float]:
        return elbo_terms(self.guide.posterior, self.rows()[1].statistics())

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Only draws inside the block: what the guide infers from data is the same at each, and worked out once."""
        views, local = self.rows()
        patched = mock.patch.multiple(
            self.guide, view_rows=lambda *_, **__: views, infer=lambda *_, **__: local
        )
        with patched, torch.no_grad(), pyro.validation_enabled(False):
            yield

    def sampled(self) -> np.ndarray:
        """Draws of log p − log q from Pyro's own ELBO."""
        elbo = Trace_ELBO(max_plate_nesting=1)
        with self.drawing():
            return -np.array(
                [elbo.loss(self.model, self.guide, self.data, self.observed) for _ in range(DRAWS)]
            )

    def sampled_apart(self, *names: str) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, torch.Tensor]]:
        """Draws of log p − log q without the likelihoods of some views, of those, and of those views' latents."""
        rest, likelihoods, latents = [], {name: [] for name in names}, {name: [] for name in names}
        with self.drawing():
            for _ in range(DRAWS):
                guide = poutine.trace(self.guide).get_trace(self.data, self.observed)
                model = poutine.trace(poutine.replay(self.model, guide)).get_trace(self.data, self.observed)
                rest.append(float(model.log_prob_sum() - guide.log_prob_sum()))
                for name in names:
                    likelihoods[name].append(float(model.nodes[f"{name}.data"]["log_prob_sum"]))
                    latents[name].append(guide.nodes[f"{name}.latents"]["value"])
                    rest[-1] -= likelihoods[name][-1]
        likelihoods = {name: np.array(values) for name, values in likelihoods.items()}
        return np.array(rest), likelihoods, {name: torch.stack(values) for name, values in latents.items()}

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


def emitted(view: View, factors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Data of a view that follow given factors, those behind decoders apart."""
    if isinstance(view, Image):
        return rng.random(size=(len(factors), *view.shape)).astype(np.float32)
    if isinstance(view, DecoderView):
        return 3 + rng.normal(size=(len(factors), *view.event_shape))
    z = factors @ rng.normal(size=(factors.shape[1], view.latent_dim))
    z = z + 0.5 * rng.normal(size=z.shape)
    if isinstance(view, Bernoulli):
        return (z > 0).astype(float)
    if isinstance(view, Categorical):
        return z.argmax(1).astype(float)
    if isinstance(view, Frozen) and view.variances:
        return np.concatenate([3 + z, rng.gamma(2.0, 0.3, size=z.shape)], 1)
    return 3 + z


def standard_error(values: np.ndarray) -> float:
    return values.std(ddof=1) / math.sqrt(len(values))


PER_FEATURE = Gamma(2.0, 2.0, per_feature=True)
MIXTURE = Mixture(2, mean_precision=0.5)
GROUPED = Grouped(("first", "second"), mean_precision=0.5)


@pytest.mark.parametrize(
    ("views", "options"),
    [
        ({"a": Real(3), "b": Real(2, standardise="none")}, {}),
        ({"a": Real(3, noise=PER_FEATURE), "b": Real(2, standardise="feature")}, {}),
        ({"a": Real(3), "b": Real(2)}, {"factors": MIXTURE}),
        ({"a": Real(3), "b": Real(2)}, {"factors": GROUPED}),
        ({"a": Real(3, noise=PER_FEATURE), "b": Real(3)}, {"missing": "entries"}),
        ({"a": Frozen(3, variances=True), "b": Frozen(2, standardise="view")}, {}),
        (
            {"a": Frozen(3, variances=True, noise=PER_FEATURE), "b": Real(2)},
            {"missing": "entries", "factors": MIXTURE},
        ),
        (
            {
                "a": Real(3, standardise="feature", noise=FixedNoise(2.0)),
                "b": Real(2, noise=FixedNoise((1.0, 4.0))),
                "c": Frozen(2, variances=True, noise=FixedNoise(3.0)),
            },
            {"missing": "entries"},
        ),
        (
            {
                "a": Real(3, weights=Custom("Laplace", loc=0.0, scale=0.5)),
                "b": Real(2, weights=Custom("StudentT", df=3.0, loc=0.0, scale=0.3)),
            },
            {},
        ),
    ],
    ids=[
        "real",
        "noise of each feature",
        "mixture",
        "groups",
        "missing entries",
        "frozen",
        "frozen and the rest",
        "noise that is known",
        "weights of any distribution",
    ],
)
def test_the_bound_is_the_sampled_elbo(views, options):
    pair = Pair(views, **options)
    draws = pair.sampled()
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
            {"factors": MIXTURE},
        ),
        ({"wide": Tabular(4, 2, hidden=(8,)), "table": Real(3)}, {"missing": "entries"}),
        ({"wave": Sequence(4, 2, 2, hidden=8), "table": Real(3)}, {"missing": "entries", "factors": MIXTURE}),
        ({"image": IMAGE, "table": Real(3)}, {"factors": GROUPED}),
    ],
    ids=[
        "one",
        "two and a mixture",
        "table, missing entries",
        "sequence, missing entries, mixture",
        "groups",
    ],
)
def test_the_bound_is_the_sampled_elbo_with_encoder_views(views, options):
    """q(g | z) is conditional on the encoders' latents, in the guide as in the closed forms.

    The likelihoods behind decoders have no closed form: they are compared draws with draws.
    """
    pair = Pair(views, **options)
    decoded = [name for name, view in views.items() if isinstance(view, DecoderView)]
    rest, likelihoods, _ = pair.sampled_apart(*decoded)
    bound = pair.bound()
    closed = sum(value for name, value in bound.items() if name not in [f"{i}.likelihood" for i in decoded])
    assert standard_error(rest) < 0.5
    assert abs(rest.mean() - closed) < 4 * standard_error(rest)
    for name, draws in likelihoods.items():
        evaluated = pair.evaluated(name, 600)
        error = math.hypot(standard_error(draws), standard_error(evaluated))
        assert abs(draws.mean() - evaluated.mean()) < 4 * error


@pytest.mark.parametrize(
    ("labels", "options", "largest_gap"),
    [
        (Bernoulli(3), {}, 0.15),
        (Bernoulli(3, noise=PER_FEATURE), {"missing": "entries", "factors": MIXTURE}, 0.15),
        (Categorical(4), {}, 1.1),
        (Bernoulli(3, noise=FixedNoise(5.0)), {}, 0.15),
    ],
    ids=["binary", "binary, missing entries, mixture", "categorical", "binary, noise that is known"],
)
def test_the_bound_lies_below_the_sampled_elbo_of_labels(labels, options, largest_gap):
    """By the bound on their likelihood alone: q(g, z | W) is in the guide as in the closed forms.

    In nats a row that has labels. Where all logits are equal Bouchard's bound alone costs a row of four classes 0.86,
    log(C − 1) − C log(1 − 1/C) − log C.
    """
    pair = Pair({"a": Real(3), "labels": labels}, **options)
    rest, likelihoods, latents = pair.sampled_apart("labels")
    terms = pair.bound()
    bounded = terms.pop("labels.likelihood")
    assert standard_error(rest) < 0.5
    assert abs(rest.mean() - sum(terms.values())) < 4 * standard_error(rest)
    # draw by draw: the bound at the drawn logits lies below their likelihood
    rows = pair.rows()[0]["labels"]
    z, curvature = latents["labels"], rows.total_precision - rows.view.noise
    at_draws = rows.constant() + rows.logit_slope(curvature) * z - 0.5 * curvature * z.square()
    at_draws = (rows.entries * at_draws).sum((1, 2)).numpy()
    assert (at_draws <= likelihoods["labels"]).all()
    assert abs(at_draws.mean() - bounded) < 4 * standard_error(at_draws)
    gap = (likelihoods["labels"] - at_draws).mean() / int(pair.observed["labels"].any(1).sum())
    print(f"gap {gap:.3g} nats a row")
    assert gap < largest_gap


EVERYTHING = {
    "image": Image((1, 8, 8), latent_dim=2, network="dense"),
    "labels": Bernoulli(["p", "q", "r"]),
    "table": Real(4, noise=Gamma(2.0, 2.0, per_feature=True)),
    "class": Categorical(5),
    "embedding": Frozen(2, variances=True),
}


@pytest.fixture(scope="module")
def everything() -> Pair:
    return Pair(EVERYTHING, n_factors=3, missing="entries", sweeps=2, factors=Mixture(2))


def test_sites_and_shapes(everything):
    data, observed = everything.data, everything.observed
    trace = poutine.trace(everything.model).get_trace(data, observed)
    shapes = {"factors": (N, 3), "component": (N,), "component_means": (2, 3), "proportions": (2,)}
    for name, view in EVERYTHING.items():
        size = view.latent_dim
        shapes |= {
            f"{name}.relevance": (3,),
            f"{name}.weights": (size, 3),
            f"{name}.bias": (size,),
            f"{name}.noise_precision": (4,) if name == "table" else (),
        }
        if name != "table":
            shapes[f"{name}.latents"] = (N, size)
        if name != "embedding":
            shapes[f"{name}.data"] = tuple(data[name].shape)
    sites = {name: site for name, site in trace.nodes.items() if name in shapes}
    assert {name: tuple(site["value"].shape) for name, site in sites.items()} == shapes
    given = {f"{name}.data" for name in EVERYTHING if name != "embedding"}
    assert {name for name, site in sites.items() if site["is_observed"]} == given
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


@pytest.mark.parametrize(
    "factors", [StandardNormal(), Mixture(2), GROUPED], ids=["normal", "mixture", "groups"]
)
def test_the_guides_conditionals_are_exact(factors):
    """q(w, b) is the joint Gaussian; q(g | z) the posterior had z been seen; q(z | g, W) of logits at the drawn W."""
    pair = Pair(EVERYTHING, n_factors=3, missing="entries", sweeps=0, factors=factors)
    posterior = pair.guide.posterior
    randomise(posterior, np.random.default_rng(2))
    trace = poutine.trace(pair.guide).get_trace(pair.data, pair.observed)
    trace.compute_log_prob()
    sites = {name: site for name, site in trace.nodes.items() if site["type"] == "sample"}
    value = {name: site["value"] for name, site in sites.items()}
    drawn = {}
    for name in EVERYTHING:
        mean, covariance = posterior.view(name).weights
        joint = torch.distributions.MultivariateNormal(mean, covariance)
        drawn[name] = torch.cat([value[f"{name}.weights"], value[f"{name}.bias"][:, None]], 1)
        log_q = sites[f"{name}.weights"]["log_prob"] + sites[f"{name}.bias"]["log_prob"]
        torch.testing.assert_close(log_q, joint.log_prob(drawn[name]), rtol=1e-9, atol=1e-9)

    rows, local = pair.rows()
    seen = dict(rows)
    for name in ("image", "embedding"):
        seen[name] = GaussianRows(rows[name].view, pair.observed[name], value[f"{name}.latents"])
    groups = torch.zeros(N).long() if pair.groups is None else pair.groups
    precision = posterior.factors.prior_precision[groups]
    linear = (posterior.factors.prior_means @ posterior.factors.prior_precision)[
        groups, value.get("component", 0)
    ]
    for view in seen.values():
        own = view.row_precision
        size = linear.shape[-1]
        precision = precision + (unpack(view.pattern_precision(view.pattern), size) if own is None else own)
        linear = linear + view.linear
    covariance = torch.linalg.inv(precision)
    actual = sites["factors"]["fn"]
    torch.testing.assert_close(actual.covariance_matrix, covariance, rtol=1e-5, atol=1e-5)
    mean = (covariance @ linear[..., None])[..., 0]
    torch.testing.assert_close(actual.mean, mean, rtol=1e-5, atol=1e-5)
    factors = torch.nn.functional.pad(value["factors"], (0, 1), value=1.0)
    for name in ("labels", "class"):
        latents, logits = sites[f"{name}.latents"]["fn"], rows[name]
        mean = logits.latent_mean(factors @ drawn[name].mT)
        torch.testing.assert_close(latents.mean, mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(latents.variance, 1 / logits.total_precision, rtol=1e-9, atol=1e-9)
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


def test_what_is_missing_has_no_weight(everything):
    """Neither in the model nor in the guide, whatever stands in its place."""
    data, observed = everything.data, everything.observed
    guide = poutine.trace(everything.guide).get_trace(data, observed)
    traces = [guide]
    for filler in (0.0, 1.0):
        filled = {name: _filled(values, observed[name], filler) for name, values in data.items()}
        traces.append(poutine.trace(poutine.replay(everything.model, guide)).get_trace(filled, observed))
    for trace in traces:
        trace.compute_log_prob()
    for name, mask in observed.items():
        present = mask.any(1)
        for trace in traces:
            for site in {f"{name}.data", f"{name}.latents"} & set(trace.nodes):
                log_prob = trace.nodes[site]["log_prob"]
                assert (log_prob[~present] == 0).all(), site
                assert (log_prob[present] != 0).all(), site
    for name, site in traces[1].nodes.items():
        if site["type"] == "sample":
            assert torch.equal(site["log_prob"], traces[2].nodes[name]["log_prob"]), name
    assert not observed["table"].all(1)[observed["table"].any(1)].all()


def _filled(values: torch.Tensor, mask: torch.Tensor, filler: float) -> torch.Tensor:
    mask = mask if mask.shape == values.shape else mask[:, :1].reshape(-1, *[1] * (values.dim() - 1))
    return values.where(mask, filler)


def test_condition_draw_and_return(everything):
    weights = torch.ones(4, 3, dtype=torch.float64)
    conditioned = poutine.condition(everything.model, {"table.weights": weights})
    drawn = conditioned(rows=6)
    assert {name: tuple(values.shape) for name, values in drawn.items()} == {
        "image": (6, 1, 8, 8),
        "labels": (6, 3),
        "table": (6, 4),
        "class": (6,),
        "embedding": (6, 2),
    }
    trace = poutine.trace(conditioned).get_trace(rows=6)
    assert trace.nodes["table.weights"]["is_observed"]
    assert (trace.nodes["table.weights"]["value"] == weights).all()


def test_views_that_are_not_given_are_drawn(everything):
    drawn = everything.model({"table": everything.data["table"]})
    assert (drawn["table"] == everything.data["table"]).all()
    assert set(drawn["labels"].unique().tolist()) <= {0.0, 1.0}
    assert set(drawn["class"].unique().tolist()) <= set(range(5))


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
def test_nuts_agrees(nuts):
    """The exact posterior by Pyro's NUTS on the same model; mean field may be narrower, not elsewhere."""
    data, (_, guide), draws = nuts
    with torch.no_grad():
        for view in guide.posterior.views:
            view.weights_mean[:, :-1] = torch.randn(view.n_features, 1, dtype=torch.float64).abs() + 0.5
        for _ in range(300):
            rows = guide.infer(guide.view_rows(data), len(data["a"]))
            guide.posterior.update(rows.statistics())
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
