"""Whether the posterior can be trusted: coverage, recovery of known structure, restarts, and samplers beside it.

python benchmarks/bench_posterior.py coverage [--root DIR] [--draws 10]
python benchmarks/bench_posterior.py structure [--draws 100] [--noise 0.5 1 2 4] [--rows 100 200 500]
python benchmarks/bench_posterior.py restarts [--root DIR] [--starts 5]
python benchmarks/bench_posterior.py nuts [--samples 4000] [--rows 100 300]
python benchmarks/bench_posterior.py gibbs [--samples 40000] [--rows 100 300 1000]
python benchmarks/bench_posterior.py factorisations [--samples 20000] [--rows 100 300 1000]
python benchmarks/bench_posterior.py corrections [--samples 20000] [--rows 100]

DIR holds the real data: multiview/mfeat_six_views.npz and omics/miniacc.npz; left out where absent.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import arviz
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import MCMC, NUTS
from scipy.optimize import linear_sum_assignment
from scipy.stats import norm

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.inference.sampling import Chains, Table
from pyro_favae.results.draws import global_draws

LEVELS = (0.5, 0.8, 0.95)
HIDDEN = 0.2
SIZES = (60, 80, 40)
#: which view has which of six true factors: two shared by all, two by a pair, two private
PATTERN = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]], dtype=bool)
FACTORS = 15  # 2.5 times the truth


def simulated(rows: int, noise: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Views drawn from the model: unit weights, noise of given standard deviation."""
    factors = rng.normal(size=(rows, len(PATTERN)))
    return {
        f"view {m}": factors @ (PATTERN[:, m, None] * rng.normal(size=(len(PATTERN), size)))
        + noise * rng.normal(size=(rows, size))
        for m, size in enumerate(SIZES)
    }


def real_data(root: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """mfeat's and miniacc's real-valued views."""
    for name, path in (("mfeat", "multiview/mfeat_six_views.npz"), ("miniacc", "omics/miniacc.npz")):
        if not (root / path).is_file():
            print(f"{name}: no {root / path}, left out")
            continue
        with np.load(root / path, allow_pickle=True) as file:
            yield name, {key: file[key] for key in file.files}


def declared(data: dict[str, np.ndarray], n_factors: int) -> fv.FAVAE:
    """Real views, noise of each feature."""
    noise = fv.priors.Gamma(per_feature=True)
    views = {
        name: fv.views.Real(values.shape[1], standardise="feature", noise=noise)
        for name, values in data.items()
    }
    return fv.FAVAE(views, n_factors)


def hide(data: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The data with a share of each view's entries missing."""
    return {
        name: np.where(rng.random(values.shape) < HIDDEN, np.nan, values) for name, values in data.items()
    }


def covered(name: str, data: dict[str, np.ndarray], n_factors: int, seed: int) -> list[dict]:
    """Share of hidden entries inside central predictive intervals, for each view."""
    seen = hide(data, np.random.default_rng(seed))
    fit = fv.fit(declared(data, n_factors), seen, tolerance=1e-6, seed=seed, progress=False)
    records = []
    for view, values in data.items():
        prediction = fit.predict(view, given=seen)
        hidden = np.isnan(seen[view]) & ~np.isnan(values)
        error = np.abs(values - prediction.mean)[hidden] / prediction.sd[hidden]
        inside = {f"{level:.0%}": (error < norm.ppf(0.5 + level / 2)).mean() for level in LEVELS}
        explained = 1 - np.mean((values - prediction.mean)[hidden] ** 2) / values[hidden].var()
        records.append({"data": name, "view": view, "entries": hidden.sum()} | inside | {"R²": explained})
    return records


def coverage(options: argparse.Namespace) -> pd.DataFrame:
    """Coverage on data drawn from the model, over draws, and on real data."""
    records = []
    for draw in range(options.draws):
        data = simulated(500, 1.0, np.random.default_rng(draw))
        records += covered("simulated", data, FACTORS, draw)
    for name, data in real_data(options.root):
        records += covered(name, real_views(data), 20, 0)
    return pd.DataFrame(records).groupby(["data", "view"], sort=False).mean()


def real_views(data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tables of numbers: counts as logarithms, constant columns and classes left out."""
    views = {}
    for name, values in data.items():
        if values.ndim < 2 or values.dtype.kind not in "fiu" or name == "Mutations":
            continue
        values = values.astype(float)
        if np.nanmin(values) >= 0 and np.nanmax(values) > 1000:
            values = np.log1p(values)
        views[name] = values[:, np.nanstd(values, axis=0) > 0]
    return views


def recovered(fit: fv.Fit) -> bool:
    """Whether the active factors' pattern over views is the true one, in any order."""
    active = fit.active.to_numpy()
    found = sorted(tuple(column) for column in active.T if column.any())
    return found == sorted(tuple(row) for row in PATTERN)


def structure(options: argparse.Namespace) -> pd.DataFrame:
    """Share of draws whose pattern is recovered exactly, against noise and rows."""
    records = []
    for rows in options.rows:
        for noise in options.noise:
            exact = 0
            for draw in range(options.draws):
                data = simulated(rows, noise, np.random.default_rng(draw))
                fit = fv.fit(declared(data, FACTORS), data, tolerance=1e-7, seed=draw, progress=False)
                exact += recovered(fit)
            records.append({"rows": rows, "noise": noise, "exact": exact, "draws": options.draws})
            print(records[-1], flush=True)
    return pd.DataFrame(records).pivot(index="rows", columns="noise", values="exact")


def matched_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Absolute correlations of two fits' factors (rows, K), matched to make their sum largest."""
    size = first.shape[1]
    correlation = np.abs(np.corrcoef(first.T, second.T)[:size, size:])
    return correlation[linear_sum_assignment(-correlation)]


def active_means(fit: fv.Fit, data: dict[str, np.ndarray]) -> np.ndarray:
    """Posterior means (rows, K) of the factors that some view uses."""
    return fit.transform(data).mean[:, fit.active.any().to_numpy()]


def restarts(options: argparse.Namespace) -> pd.DataFrame:
    """Agreement of fits from random weights with the fit from principal components."""
    sets = [("simulated", simulated(500, 1.0, np.random.default_rng(0)), FACTORS)]
    sets += [(name, real_views(data), 15) for name, data in real_data(options.root)]
    records = []
    for name, data, n_factors in sets:
        model = declared(data, n_factors)
        reference = fv.fit(model, data, epochs=1000, tolerance=1e-8, seed=0, progress=False)
        for seed in range(options.starts):
            fit = fv.fit(model, data, epochs=1000, tolerance=1e-8, start="random", seed=seed, progress=False)
            first, second = active_means(reference, data), active_means(fit, data)
            worst = matched_correlation(first, second).min() if first.shape == second.shape else np.nan
            records.append(
                {"data": name, "seed": seed, "bound": fit.elbo - reference.elbo, "factors": second.shape[1]}
                | {"smallest correlation": worst}
            )
            print(records[-1], flush=True)
    return pd.DataFrame(records).groupby("data", sort=False).agg(["min", "max"])


PROPER = {"weights": fv.priors.ARD(2.0, 2.0), "noise": fv.priors.Gamma(2.0, 2.0), "bias_precision": 1.0}
SMALL = {"a": 4, "b": 3}
CHAINS, WARM_UP = 4, 300
MANY_CHAINS = 10_000
OUR_DRAWS = 20_000  # whose own error is 0.007 of our sd


def marginal_model(data: dict[str, torch.Tensor], n_factors: int) -> None:
    """The same hierarchy with the factors integrated out: x_n ~ N(b, W Wᵀ + 1/τ) over both views together."""
    weights, bias, variance = [], [], []
    for name, values in data.items():
        size = values.shape[1]
        two = torch.tensor(2.0, dtype=torch.float64)
        relevance = pyro.sample(f"{name}.relevance", dist.Gamma(two, two).expand([n_factors]).to_event(1))
        prior = dist.Normal(0.0, relevance**-0.5).expand([size, n_factors]).to_event(2)
        weights.append(pyro.sample(f"{name}.weights", prior))
        zeros = torch.zeros(size, dtype=torch.float64)
        bias.append(pyro.sample(f"{name}.bias", dist.Normal(zeros, 1.0).to_event(1)))
        variance.append((1 / pyro.sample(f"{name}.noise_precision", dist.Gamma(two, two))).expand(size))
    rows = dist.LowRankMultivariateNormal(torch.cat(bias), torch.cat(weights), torch.cat(variance))
    with pyro.plate("rows", len(values)):
        pyro.sample("data", rows, obs=torch.cat(list(data.values()), 1))


def predicted(weights: dict, bias: dict, precision: dict, given: torch.Tensor) -> torch.Tensor:
    """E[view b | view a] for each draw of the globals, (draws, rows, D_b)."""
    scaled = weights["a"] * precision["a"][:, None, None]
    inner = torch.eye(weights["a"].shape[-1], dtype=torch.float64) + weights["a"].mT @ scaled
    factors = torch.linalg.solve(inner, scaled.mT @ (given - bias["a"][:, None]).mT).mT
    return factors @ weights["b"].mT + bias["b"][:, None]


def small_views(rows: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Two views of two factors: rows to fit, and a hundred to predict."""
    rng = np.random.default_rng(0)
    factors = rng.normal(size=(rows + 100, 2))
    loadings = {name: rng.normal(size=(2, size)) for name, size in SMALL.items()}
    whole = {
        name: torch.as_tensor(factors @ loading + 0.7 * rng.normal(size=(rows + 100, loading.shape[1])))
        for name, loading in loadings.items()
    }
    return tuple({name: v[part] for name, v in whole.items()} for part in (slice(rows), slice(rows, None)))


Draws = dict[str, torch.Tensor]


def nuts(options: argparse.Namespace) -> pd.DataFrame:
    """The variational posterior against NUTS."""
    return against(nuts_draws, options)


def gibbs(options: argparse.Namespace) -> pd.DataFrame:
    """The variational posterior, and a thousand draws of each chain, against many draws by ``fv.sample``."""
    return against(gibbs_draws, options, of_sampler=True)


def small_fit(rows: int) -> tuple[fv.Fit, Draws, Draws]:
    """A fit of the small views, its data, and rows to predict."""
    data, test = small_views(rows)
    views = {name: fv.views.Real(size, standardise="none") for name, size in SMALL.items()}
    model = fv.FAVAE(views, 2, **PROPER)
    return fv.fit(model, data, epochs=1000, tolerance=1e-11, seed=0, progress=False), data, test


def against(
    sampler: Callable[[fv.Fit, Draws, int], Draws], options: argparse.Namespace, of_sampler: bool = False
) -> pd.DataFrame:
    """How far the variational posterior is from a sampler's, in its standard deviations, and how much narrower.

    Beside the distance of the furthest entry stands its Monte-Carlo standard error, in the same unit. of_sampler:
    the same of a thousand draws of each chain begun with another seed.
    """
    records = []
    for rows in options.rows:
        begin = time.process_time()
        fit, data, test = small_fit(rows)
        fitted = time.process_time()
        told = {"fit": fit_draws(fit)}
        if of_sampler:
            told["1,000 draws"] = gibbs_draws(fit, data, CHAINS * 1000, seed=1)
            sampled = time.process_time()
            print(
                f"{rows} rows: fit {fitted - begin:.2f} s, {CHAINS} x 1,000 draws {sampled - fitted:.2f} s of CPU"
            )
        exact = identified(sampler(fit, data, options.samples), test["a"])
        for method, draws in told.items():
            ours = identified(draws, test["a"])
            lead = {"rows": rows, "method": method}
            records += [lead | compared(name, exact[name], ours[name]) for name in exact]
    return pd.DataFrame(records).set_index(["rows", "quantity", "method"]).sort_index(sort_remaining=False)


def factorisations(options: argparse.Namespace) -> pd.DataFrame:
    """Which factorisation costs what: W Wᵀ of exact posteriors in which parts are held at their variational means.

    Given <α> and <τ>, q(W) q(g) is the mean-field posterior of weights and factors: the rest of the way to the fit is
    what their factorisation costs.
    """
    records = []
    for rows in options.rows:
        fit, data, _ = small_fit(rows)
        above, noise = "relevance", "noise_precision"
        cases = {"nothing": [], "α": [above], "τ": [noise], "α, τ": [above, noise]}
        means = {held: outer(held_draws(fit, data, options.samples, sites)) for held, sites in cases.items()}
        exact = means["nothing"]
        means["α, τ, and q(W) q(g)"] = outer(fit_draws(fit))
        for held, draws in means.items():
            away = (draws.mean(0) - exact.mean(0)) / exact.std(0)
            signed = (away * exact.mean(0).sign()).mean()
            records.append(
                {"rows": rows, "held": held, "furthest, sd": away.abs().max().item()}
                | {
                    "root mean square, sd": away.square().mean().sqrt().item(),
                    "mean away from 0, sd": signed.item(),
                }
                | {"sd / exact sd": (draws.std(0) / exact.std(0)).mean().item()}
            )
    return pd.DataFrame(records).set_index(["rows", "held"])


@torch.no_grad()
def held_draws(fit: fv.Fit, data: Draws, samples: int, held: list[str]) -> Draws:
    """Draws with some sites of every view held at their variational means."""
    torch.manual_seed(0)
    dataset, start = prepare(fit.declaration, data), global_draws(fit.guide, CHAINS)
    for name in SMALL:
        view = fit.posterior.view(name)
        means = {"relevance": view.relevance.precision, "noise_precision": view.noise.mean[0]}
        for site in held:
            start[f"{name}.{site}"] = means[site].expand_as(start[f"{name}.{site}"])
    chains = Chains(fit.guide, Table.of(fit.guide, dataset), start)
    for view in chains.views:
        own, noise = {"relevance": start[f"{view.posterior.name}.relevance"]}, view.noise
        relevance = view.posterior.relevance
        kept = {
            "relevance": lambda sites, weights, own=own: own,
            "noise_precision": lambda n, squares, t=noise: t,
        }
        owners = {"relevance": relevance, "noise_precision": view.posterior.noise}
        for site, owner in owners.items():
            owner.__dict__.pop("redraw", None)
            if site in held:
                owner.redraw = kept[site]
        view.above = own if "relevance" in held else view.above
    draws = []
    for sweep in range(WARM_UP + samples // CHAINS):
        chains.sweep()
        if sweep >= WARM_UP:
            draws.append(chains.sites())
    return {site: torch.stack([one[site] for one in draws], 1).flatten(0, 1) for site in draws[0]}


@torch.no_grad()
def corrections(options: argparse.Namespace) -> pd.DataFrame:
    """W Wᵀ after a few Gibbs sweeps of independent draws from the variational posterior, against the exact one."""
    records = []
    for rows in options.rows:
        fit, data, _ = small_fit(rows)
        exact = outer(gibbs_draws(fit, data, options.samples))
        torch.manual_seed(0)
        table = Table.of(fit.guide, prepare(fit.declaration, data))
        chains = Chains(fit.guide, table, global_draws(fit.guide, MANY_CHAINS))
        for sweep in range(21):
            if sweep in (0, 1, 2, 5, 10, 20):
                now = outer(chains.sites())
                away = (now.mean(0) - exact.mean(0)) / exact.std(0)
                ratio = (now.std(0) / exact.std(0)).mean().item()
                records.append(
                    {"rows": rows, "sweeps": sweep, "furthest, sd": away.abs().max().item()}
                    | {"root mean square, sd": away.square().mean().sqrt().item(), "sd / exact sd": ratio}
                )
            chains.sweep()
    return pd.DataFrame(records).set_index(["rows", "sweeps"])


def outer(draws: Draws) -> torch.Tensor:
    """W Wᵀ of both views together, (draws, ΣD, ΣD)."""
    stacked = torch.cat([draws[f"{name}.weights"] for name in SMALL], 1)
    return stacked @ stacked.mT


def nuts_draws(fit: fv.Fit, data: Draws, samples: int) -> Draws:
    """Draws of the global sites, chain after chain, ``samples`` in all."""
    chains = []
    for seed in range(CHAINS):
        pyro.set_rng_seed(seed)
        kernel = NUTS(marginal_model, jit_compile=True, ignore_jit_warnings=True)
        sampler = MCMC(kernel, samples // CHAINS, warmup_steps=WARM_UP, disable_progbar=True)
        sampler.run(data, 2)
        chains.append(sampler.get_samples())
    return {site: torch.cat([chain[site] for chain in chains]) for site in chains[0]}


def gibbs_draws(fit: fv.Fit, data: Draws, samples: int, seed: int = 0) -> Draws:
    """The same draws by the library's sampler."""
    draws = samples // CHAINS
    drawn = fv.sample(fit, data, draws=draws, chains=CHAINS, warm_up=WARM_UP, seed=seed, progress=False)
    return drawn.flat


def fit_draws(fit: fv.Fit) -> Draws:
    """Independent draws of the global sites from the variational posterior."""
    torch.manual_seed(0)
    draws = {}
    for name in SMALL:
        view = fit.posterior.view(name)
        weights = view.weights.sample(OUR_DRAWS)
        draws |= {f"{name}.weights": weights[..., :-1], f"{name}.bias": weights[..., -1]}
        draws[f"{name}.noise_precision"] = view.noise.q.sample(OUR_DRAWS)[:, 0]
    return draws


def compared(name: str, exact: torch.Tensor, ours: torch.Tensor) -> dict:
    """One quantity's draws (draws, *shape) by a sampler, chain after chain, and ours."""
    chains = {name: exact.unflatten(0, (CHAINS, -1)).numpy()}
    error, size, mixing = (np.asarray(f(chains)[name]) for f in (arviz.mcse, arviz.ess, arviz.rhat))
    spread = exact.std(0).numpy()
    away = np.abs((ours.mean(0) - exact.mean(0)).numpy()) / spread
    furthest = np.unravel_index(away.argmax(), away.shape)
    return {
        "quantity": name,
        "furthest, sd": away[furthest],
        "its MCSE, sd": (error / spread)[furthest],
        "root mean square, sd": np.sqrt((away**2).mean()),
        "nearer to 0": (ours.mean(0).abs() < exact.mean(0).abs()).double().mean().item(),
        "our sd / its sd": (ours.std(0).numpy() / spread).mean(),
        "smallest ESS": size.min(),
        "largest R-hat": mixing.max(),
    }


def identified(draws: dict[str, torch.Tensor], given: torch.Tensor) -> dict[str, torch.Tensor]:
    """What rotations and signs of the factors do not change, for each draw."""
    weights, bias, precision = (
        {view: draws[f"{view}.{site}"] for view in SMALL} for site in ("weights", "bias", "noise_precision")
    )
    return {
        "noise precision": torch.stack(list(precision.values()), 1),
        "W Wᵀ": outer(draws),
        "bias": torch.cat(list(bias.values()), 1),
        "E[b | a]": predicted(weights, bias, precision, given),
    }


WHAT = {
    "coverage": coverage,
    "structure": structure,
    "restarts": restarts,
    "nuts": nuts,
    "gibbs": gibbs,
    "factorisations": factorisations,
    "corrections": corrections,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=list(WHAT), default="coverage")
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--noise", nargs="+", type=float, default=[0.5, 1.0, 2.0, 4.0])
    parser.add_argument("--rows", nargs="+", type=int, default=[100, 200, 500])
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--samples", type=int, default=4000)
    options = parser.parse_args()
    print(WHAT[options.what](options).round(4).to_string())


if __name__ == "__main__":
    main()
