"""Held-out density of fitted models against that of the model which generated the data, likelihood by likelihood.

python benchmarks/bench_likelihoods.py [--names gaussian poisson ...] [--rows 10000] [--seeds 1] [--epochs 15]

Rows are drawn from a known model: twelve entries a row, two latent dimensions behind a decoder, two shared factors of
binary columns and of classes (six entries, each a view), three of a real view. A model is fitted to them, and 2,000
further rows are scored under both: the log density of a row, latents or factors integrated out, divided by its
entries, in nats. Integrals over two dimensions are sums over a grid, exact to the last column: the gap's
change, over 200 rows, when the grid is made half again as fine. A real view's densities have a formula. Fitted global
quantities are at their posterior means.
"""

import argparse
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

import pyro_favae as fv
from pyro_favae.models.likelihoods import Likelihood, LikelihoodModule
from pyro_favae.models.networks import Dense
from pyro_favae.models.priors import Gamma, WeightPrior
from pyro_favae.models.views import DecoderView

ENTRIES = 12
HELD_OUT = 2_000
REACH = 5.5  # standard deviations of the latents that a grid covers
SPACING = 1 / 6
CHUNK = 3_000_000  # densities at a time
FACTORS = 3  # of the real view

CHECKED = 200  # of the held-out rows, scored on a finer grid too

# (grid spacing, how many of the held-out rows) → log densities of the rows: fitted, generating
Score = Callable[[float, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Table(DecoderView):
    """A row of numbers behind dense networks, the decoder's of one hidden layer."""

    dim: int
    likelihood: Likelihood
    latent_dim: int = 2
    encoder_layers: tuple[int, ...] = (64,)
    beta: float = 1.0
    weights: WeightPrior | None = None
    noise: Gamma | None = None

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (self.dim,)

    def encoder(self) -> nn.Module:
        shape = self.event_shape if self.likelihood.inputs == 1 else (self.likelihood.inputs, self.dim)
        return Dense(self.encoder_layers).encoder(shape, self.latent_dim)

    def decoder(self) -> nn.Module:
        return Dense((64,)).decoder(self.event_shape, self.latent_dim, self.likelihood.outputs)


# densities of rows


def grid(spacing: float) -> tuple[Tensor, Tensor]:
    """Points (G, 2) and the log weights (G,) that make a sum over them an integral under N(0, I)."""
    axis = torch.arange(-REACH, REACH + spacing / 2, spacing, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    return points, 2 * math.log(spacing / math.sqrt(2 * math.pi)) - points.square().sum(1) / 2


def integrated(log_prob: Callable[[Tensor], Tensor], log_weights: Tensor, data: Tensor) -> Tensor:
    """Log densities (rows,) of data (rows, D), given log_prob: (rows, 1, D) → (rows, G, D)."""
    size = max(1, CHUNK // (len(log_weights) * data.shape[1]))
    parts = [(log_prob(rows[:, None]).sum(-1) + log_weights).logsumexp(1) for rows in data.split(size)]
    return torch.cat(parts)


def decoded_density(
    decoder: Callable[[Tensor], Tensor],
    likelihood: LikelihoodModule,
    mean: Tensor,
    root: Tensor,
    data: Tensor,
    spacing: float,
) -> Tensor:
    """Log densities of rows whose latents are N(mean, root rootᵀ)."""
    points, log_weights = grid(spacing)
    values = likelihood.distribution(decoder(mean + points @ root.mT))
    return integrated(values.log_prob, log_weights, data)


# behind decoders


@dataclass(frozen=True)
class Decoded:
    """A likelihood to fit and what generates: the same with a known decoder and known scales."""

    fitted: Likelihood
    spread: float = 1.0  # of what the generating decoder says
    centre: float = 0.0
    scales: tuple[float, float] | None = None  # the range of learnt scales or dispersions
    apart: float | None = None  # a mixture's two means, which otherwise know nothing of each other
    epochs: int = 15
    encoder_layers: tuple[int, ...] = (64,)
    entries: int = ENTRIES

    def truth(self, seed: int) -> tuple[Callable[[Tensor], Tensor], LikelihoodModule]:
        """A linear map plus a bounded wave, and the likelihood's module with its generating scales."""
        generator = torch.Generator().manual_seed(seed)
        outputs = self.fitted.outputs
        size = outputs * ENTRIES
        linear, inner, phase = (
            torch.randn(size, width, generator=generator, dtype=torch.float64) for width in (2, 2, 1)
        )
        module = self.fitted.build((ENTRIES,))
        for parameter in module.parameters():
            low, high = self.scales
            drawn = low + (high - low) * torch.rand(parameter.shape, generator=generator)
            parameter.requires_grad_(False).copy_(drawn.log())

        def decoder(latents: Tensor) -> Tensor:
            said = 0.7 * latents @ linear.mT + torch.tanh(latents @ inner.mT + phase[:, 0])
            said = self.centre + self.spread * said
            said = said if outputs == 1 else said.unflatten(1, (outputs, ENTRIES))
            if self.apart is not None:
                said[:, 1] = said[:, 0] + self.apart
            return said

        return decoder, module

    def fit(self, rows: int, seed: int, epochs: int | None) -> tuple[Score, fv.Fit]:
        decoder, module = self.truth(seed)
        torch.manual_seed(seed)
        latents = torch.randn(rows + HELD_OUT, 2, dtype=torch.float64)
        data = module.distribution(decoder(latents)).sample().double()
        view = Table(ENTRIES, self.fitted, encoder_layers=self.encoder_layers)
        result = fv.fit(
            fv.FAVAE({"x": view}, n_factors=2),
            {"x": data[:rows]},
            epochs=epochs or self.epochs,
            tolerance=1e-9,
            batch_size=128,
            learning_rate=5e-3,
            seed=seed,
            progress=False,
        )

        @torch.no_grad()
        def score(spacing: float, count: int) -> tuple[Tensor, Tensor]:
            held_out = data[rows : rows + count]
            posterior, emission = result.posterior.view("x"), result.model.emission("x")
            weights, bias = posterior.weights.weights, posterior.weights.bias
            noise = torch.diag(posterior.noise.mean_inverse.expand(2))
            root = torch.linalg.cholesky(weights @ weights.mT + noise)
            ours = decoded_density(emission.decoded, emission.likelihood, bias, root, held_out, spacing)
            identity = torch.eye(2, dtype=torch.float64)
            return ours, decoded_density(decoder, module, torch.zeros(2), identity, held_out, spacing)

        return score, result


# closed forms


def fit_closed_form(views: dict[str, fv.views.View], factors: int, data: dict, seed: int) -> fv.Fit:
    model = fv.FAVAE(views, n_factors=factors)
    return fv.fit(model, data, epochs=2_000, tolerance=1e-6, seed=seed, progress=False)


@dataclass(frozen=True)
class Real:
    """Linear-Gaussian data: densities by formula."""

    entries: int = ENTRIES

    def fit(self, rows: int, seed: int, epochs: int | None) -> tuple[Score, fv.Fit]:
        torch.manual_seed(seed)
        weights = torch.randn(ENTRIES, FACTORS, dtype=torch.float64)
        location = torch.randn(ENTRIES, dtype=torch.float64)
        truth = torch.distributions.MultivariateNormal(
            location, weights @ weights.mT + 0.25 * torch.eye(ENTRIES, dtype=torch.float64)
        )
        data = truth.sample((rows + HELD_OUT,))
        result = fit_closed_form({"x": fv.views.Real(ENTRIES)}, FACTORS, {"x": data[:rows]}, seed)

        def score(spacing: float, count: int) -> tuple[Tensor, Tensor]:
            held_out = data[rows : rows + count]
            posterior, emission = result.posterior.view("x"), result.model.emission("x")
            fitted, unit = posterior.weights.weights, emission.scale
            noise = torch.diag(posterior.noise.mean_inverse.expand(ENTRIES))
            covariance = unit[:, None] * (fitted @ fitted.mT + noise) * unit
            ours = torch.distributions.MultivariateNormal(emission.decode(posterior.weights.bias), covariance)
            return ours.log_prob(held_out), truth.log_prob(held_out)

        return score, result


@dataclass(frozen=True)
class Discrete:
    """Closed-form views of classes or of binary columns, given two shared factors and noise in the logits."""

    classes: int  # of each entry; 2: one binary view with all entries
    entries: int = ENTRIES
    noise: float = 0.5  # standard deviation of the logits about what the factors say

    def fit(self, rows: int, seed: int, epochs: int | None) -> tuple[Score, fv.Fit]:
        torch.manual_seed(seed)
        columns = 1 if self.classes == 2 else self.classes
        weights = 1.5 * torch.randn(self.entries, columns, 2, dtype=torch.float64)
        bias = torch.randn(self.entries, columns, dtype=torch.float64)
        means = torch.einsum("nk,dck->ndc", torch.randn(rows + HELD_OUT, 2, dtype=torch.float64), weights)
        logits = means + bias + self.noise * torch.randn(means.shape, dtype=torch.float64)
        codes = torch.distributions.Categorical(logits=self._all_classes(logits)).sample().double()
        result = fit_closed_form(self._views(), 2, self._by_view(codes[:rows]), seed)

        @torch.no_grad()
        def score(spacing: float, count: int) -> tuple[Tensor, Tensor]:
            points, log_weights = grid(spacing)
            truth = self._log_probabilities(points, weights, bias, self.noise**2)
            fitted = self._fitted(result, points)
            return tuple(
                integrated(_chosen(table), log_weights, codes[rows : rows + count])
                for table in (fitted, truth)
            )

        return score, result

    def _all_classes(self, logits: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(logits), logits], -1) if self.classes == 2 else logits

    def _views(self) -> dict[str, fv.views.View]:
        if self.classes == 2:
            return {"x": fv.views.Bernoulli(self.entries)}
        return {f"x{d}": fv.views.Categorical(self.classes) for d in range(self.entries)}

    def _by_view(self, codes: Tensor) -> dict[str, Tensor]:
        return {"x": codes} if self.classes == 2 else {f"x{d}": codes[:, d] for d in range(self.entries)}

    def _log_probabilities(self, points: Tensor, weights: Tensor, bias: Tensor, variance: Tensor) -> Tensor:
        """Of each entry's classes at points of the factors, (G, D, C), noise in the logits integrated out."""
        view = next(iter(self._views().values()))
        means = torch.einsum("gk,dck->gdc", points, weights) + bias
        spread = torch.as_tensor(variance, dtype=torch.float64).expand_as(means)
        means, spread = (means[..., 0], spread[..., 0]) if self.classes == 2 else (means, spread)
        probability, _ = view.emission().moments(means, spread)
        both = probability if self.classes > 2 else torch.stack([1 - probability, probability], -1)
        return both.log()

    def _fitted(self, result: fv.Fit, points: Tensor) -> Tensor:
        views = result.posterior.views
        if self.classes == 2:
            weights, bias = views[0].weights.weights[:, None], views[0].weights.bias[:, None]
            return self._log_probabilities(points, weights, bias, views[0].noise.mean_inverse)
        weights = torch.stack([view.weights.weights for view in views])
        bias = torch.stack([view.weights.bias for view in views])
        variance = torch.stack([view.noise.mean_inverse for view in views])
        return self._log_probabilities(points, weights, bias, variance)


def _chosen(table: Tensor) -> Callable[[Tensor], Tensor]:
    """Look codes (rows, 1, D) up in log probabilities (G, D, C), → (rows, G, D)."""
    return lambda codes: sum(torch.where(codes == c, table[..., c], 0.0) for c in range(table.shape[-1]))


L = fv.likelihoods
TASKS = {
    "view-real": Real(),
    "view-bernoulli": Discrete(2),
    "view-categorical": Discrete(4, entries=6),
    "gaussian": Decoded(L.Gaussian(1.0, learn=True, link="identity"), scales=(0.5, 0.5)),
    "gaussian-feature": Decoded(
        L.Gaussian(1.0, learn=True, link="identity", per_feature=True), scales=(0.3, 1.0)
    ),
    "laplace": Decoded(L.Laplace(1.0, learn=True, link="identity", per_feature=True), scales=(0.3, 1.0)),
    "mixture": Decoded(
        L.GaussianMixture(1.0, learn=True, link="identity"),
        scales=(0.3, 0.6),
        apart=2.0,
        epochs=100,
        encoder_layers=(256, 128),
    ),
    "mixture-crossing": Decoded(
        L.GaussianMixture(1.0, learn=True, link="identity"), scales=(0.3, 0.6), epochs=40
    ),
    "bernoulli": Decoded(L.Bernoulli(), spread=2.0),
    "categorical": Decoded(L.Categorical(4), spread=1.5),
    "poisson": Decoded(L.Poisson(), spread=0.4, centre=1.0),
    "negative-binomial": Decoded(L.NegativeBinomial(1.0), spread=0.4, centre=2.0, scales=(0.1, 0.5)),
}


def measure(name: str, rows: int, seed: int, epochs: int | None) -> str:
    start = time.process_time()
    score, result = TASKS[name].fit(rows, seed, epochs)
    seconds = time.process_time() - start
    entries = TASKS[name].entries
    ours, truth = (scores / entries for scores in score(SPACING, HELD_OUT))
    gap = truth - ours
    fine_ours, fine_truth = (scores / entries for scores in score(SPACING / 1.5, CHECKED))
    numerical = float((fine_truth - fine_ours - gap[:CHECKED]).mean().abs())
    error = float(gap.std() / len(gap) ** 0.5)
    bound = result.elbo / rows / entries
    return (
        f"| {name} | {float(truth.mean()):.4f} | {float(ours.mean()):.4f} | {float(gap.mean()):.4f} ± {error:.4f} | "
        f"{bound:.4f} | {seconds:.0f} | {numerical:.0e} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--names", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, help="passes over the data, behind decoders")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, numpy {np.__version__}"
    )
    print(f"{options.rows} rows to learn from, {HELD_OUT} held out, {ENTRIES} entries a row; nats an entry\n")
    print(
        "| | generating | fitted | gap ± standard error | bound | CPU seconds | grid |\n|---|---|---|---|---|---|---|"
    )
    for name in options.names:
        for seed in range(options.seeds):
            print(measure(name, options.rows, seed, options.epochs), flush=True)


if __name__ == "__main__":
    main()
