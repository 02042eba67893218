"""Two views of handwritten digits: MNIST images and their ten labels, and what each part of the design buys.

python benchmarks/bench_two_views.py [--root DIR] [--seeds 3] [--variants full ...] [--epochs 40]

Learns from the first 9,000 images of the t10k part, tests on the last 1,000. One judge for all rows.
"""

import argparse
import os
import platform
import time
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pyro.distributions as dist
import torch

import pyro_favae as fv
from pyro_favae.experiments.digits import digit_quality
from pyro_favae.experiments.judge import Judge, train_judge
from pyro_favae.inference import minibatches
from pyro_favae.inference.rows import Rows

LEARN = 9_000
IMAGE = fv.views.Image((1, 28, 28), latent_dim=16, beta=5.0, noise=fv.priors.Gamma(per_feature=True))
FULL = fv.FAVAE(
    {"image": IMAGE, "label": fv.views.Bernoulli(tuple(str(digit) for digit in range(10)))},
    n_factors=26,
    factors=fv.priors.Mixture(50),
)


def echoing_prior(snapshot, rows, view):
    """N(W̄ḡ + b̄, 1/τ): with the factorised q(g) q(z) of the paper, a view's prior echoes its own latents."""
    q, dtype = view.view, view.encoded[0].dtype
    mean = view.observed.of_rows(rows.factors @ q.weights.weights.mT + q.weights.bias)
    return dist.Normal(mean.to(dtype), (q.noise**-0.5).to(dtype).expand_as(mean)).to_event(1)


def no_gain(rows, view):
    """With q(g) q(z), g does not follow the noise of z."""
    return torch.zeros(len(rows.covariance.matrices), *view.view.scaled_weights.mT.shape, dtype=torch.float64)


def with_beta(beta: float) -> fv.FAVAE:
    return replace(FULL, views=FULL.views | {"image": replace(IMAGE, beta=beta)})


@contextmanager
def factorised():
    """Learn with q(g) q(z) in place of q(g | z) q(z)."""
    with (
        mock.patch.object(minibatches, "prior_from_other_views", echoing_prior),
        mock.patch.object(Rows, "gain", no_gain),
    ):
        yield


VARIANTS: dict[str, fv.FAVAE] = {
    "full": FULL,
    "standard normal factors": replace(FULL, factors=fv.priors.StandardNormal()),
    "10 components": replace(FULL, factors=fv.priors.Mixture(10)),
    "beta 1": with_beta(1.0),
    "beta 10": with_beta(10.0),
    "labels as real numbers": replace(FULL, views=FULL.views | {"label": fv.views.Real(10)}),
    "one noise precision a view": replace(FULL, views=FULL.views | {"image": replace(IMAGE, noise=None)}),
    "factorised q(g) q(z)": FULL,
}

#: the image's VAE trained alone first; how many of the passes then go on with everything
MODULAR = {"conditioned": lambda epochs: 0, "conditioned, refined": lambda epochs: epochs // 4}


def conditioned(data: dict, options: dict, refining: int = 0) -> tuple[fv.Fit, float]:
    """A VAE trained alone, conditioned on labels as it is, or refined after that; minutes of all but the VAE."""
    alone = fv.pretrain(IMAGE, data["image"], **options | {"epochs": options["epochs"] - refining})
    begin = time.perf_counter()
    fit = fv.fit(FULL, data, pretrained={"image": alone}, seed=options["seed"], progress=False)
    if refining:
        fit = fv.refine(fit, data, **options | {"epochs": refining})
    return fit, (time.perf_counter() - begin) / 60


def jointly(name: str, data: dict, options: dict) -> tuple[fv.Fit, float]:
    begin = time.perf_counter()
    with factorised() if name.startswith("factorised") else nullcontext():
        fit = fv.fit(VARIANTS[name], data, **options)
    return fit, (time.perf_counter() - begin) / 60


def measure(name: str, learn, test, judge: Judge, epochs: int, seed: int) -> dict[str, float]:
    codes = np.eye(10)
    data = {"image": learn.images, "label": codes[learn.labels]}
    options = {"epochs": epochs, "batch_size": 128, "seed": seed, "progress": False}
    if name in MODULAR:
        fit, minutes = conditioned(data, options, refining=MODULAR[name](epochs))
    else:
        fit, minutes = jointly(name, data, options)
    images = test.images / np.float32(255)
    quality = digit_quality(fit, judge, images, test.labels, codes, learn.images.mean(0) / 255, seed)
    return {**asdict(quality), "minutes": minutes}


def report(name: str, rows: list[dict[str, float]]) -> str:
    cells = []
    for key in rows[0]:
        values = [row[key] for row in rows]
        spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        cells.append(f"{np.mean(values):.3f}{spread}")
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("PYRO_FAVAE_DATA", "../shared/data")
    parser.add_argument("--root", type=Path, default=default, help="folder that holds MNIST/raw")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--variants", nargs="+", default=["full"], choices=[*VARIANTS, *MODULAR, "all"])
    options = parser.parse_args()
    if not (options.root / "MNIST").is_dir():
        raise SystemExit(f"no MNIST below {options.root}: pass --root, or set PYRO_FAVAE_DATA")

    real, part = fv.datasets.load_mnist(options.root, train=True), fv.datasets.load_mnist(options.root)
    learn = replace(part, images=part.images[:LEARN], labels=part.labels[:LEARN])
    test = replace(part, images=part.images[LEARN:], labels=part.labels[LEARN:])
    judge = train_judge(real.images, real.labels, epochs=2)
    accuracy = (judge.predict(part.images) == part.labels).mean()
    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    print(
        f"the judge recognises {accuracy:.4f} of the real t10k images; {options.seeds} seeds, mean (range)\n"
    )
    names = [*VARIANTS, *MODULAR] if "all" in options.variants else options.variants
    header = None
    for name in names:
        rows = [measure(name, learn, test, judge, options.epochs, seed) for seed in range(options.seeds)]
        if header is None:
            header = list(rows[0])
            print("| | " + " | ".join(header) + " |\n|---" * 1 + "|---" * len(header) + "|")
        print(report(name, rows), flush=True)


if __name__ == "__main__":
    main()
