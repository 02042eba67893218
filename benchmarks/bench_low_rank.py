"""Exact sweeps over a few logits beside a wide view: low-rank covariances against a matrix for each row.

python benchmarks/bench_low_rank.py [--rows 2000] [--latents 64] [--factors 64] [--features 3 10] [--repeats 3]

Simulated rows: Gaussian latents of known variances, as a pretrained encoder gives them, and binary features that
depend on them. Both ways infer the same rows from the posterior that six sweeps lead to, in turn; best of each.
"""

import argparse
import time
from unittest import mock

import numpy as np

import pyro_favae as fv
from pyro_favae.data import prepare
from pyro_favae.inference import row_inference
from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.interrupt import DeferredInterrupt
from pyro_favae.inference.passes import Passes

SWEEPS = 6


def simulated(rows: int, latents: int, features: int) -> dict[str, np.ndarray]:
    """Means and variances of latents side by side, and binary features of a third of them."""
    rng = np.random.default_rng(0)
    means = rng.normal(size=(rows, latents))
    logits = means @ (rng.normal(size=(latents, features)) * (rng.random((latents, 1)) < 1 / 3))
    labels = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(float)
    return {"image": np.concatenate([means, rng.gamma(4.0, 0.003, means.shape)], 1), "labels": labels}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--latents", type=int, default=64)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--features", type=int, nargs="+", default=[3, 10])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for features in options.features:
        data = simulated(options.rows, options.latents, features)
        image = fv.views.Frozen(options.latents, variances=True, noise=fv.priors.FixedNoise(50.0))
        model = fv.FAVAE({"image": image, "labels": fv.views.Bernoulli(features)}, options.factors)
        fit = fv.fit(model, data, epochs=SWEEPS, tolerance=1e-12, seed=0, progress=False)
        passes = Passes(fit.guide, prepare(model, data), 256, DeferredInterrupt())
        best, bounds = {}, {}
        for _ in range(options.repeats):
            for name, largest in (("low rank", 1.0), ("a matrix for each row", 0.0)):
                with mock.patch.object(row_inference, "LARGEST_RANK", largest):
                    begin = time.process_time()
                    statistics = passes.statistics()
                    best[name] = min(best.get(name, np.inf), time.process_time() - begin)
                bounds[name] = sum(elbo_terms(fit.posterior, statistics).values())
        ratio = best["a matrix for each row"] / best["low rank"]
        gap = bounds["a matrix for each row"] - bounds["low rank"]
        seconds = ", ".join(f"{name} {value:.2f} s" for name, value in best.items())
        print(f"{features} features: {seconds}, {ratio:.1f} times; bound apart by {gap:.2g} nats", flush=True)


if __name__ == "__main__":
    main()
