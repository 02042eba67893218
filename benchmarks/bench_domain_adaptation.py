"""Faces into cartoons and back: FA-VAE trained in different ways beside other models of several views.

python benchmarks/bench_domain_adaptation.py [--root DIR] [--models NAME ...] [--beta 1 10] [--seeds 1]
    [--epochs N]

DIR holds celeba/ and cartoonset/; small digits, bundled, take their place when it is left out. Names: plugged-in,
refined and joint, ways to train the FA-VAE; drawn, the first of them with latents drawn at random; code, the
discrete-code model; MVTCAE and MMVAE+ of multivae, which `pip install multivae==1.0.3` brings. Data, networks, judges
and passes are those of `pyro-favae reproduce domain-adaptation`, unless --epochs gives another number of passes.
--beta: weights of the divergence in MVTCAE, MMVAE+ and of what is private in code, one row each.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from time import process_time

import multivae_domains
import pandas as pd

from pyro_favae.experiments.domain_adaptation.discrete_code import train_discrete_code
from pyro_favae.experiments.domain_adaptation.domain_judge import train_domain_judge
from pyro_favae.experiments.domain_adaptation.domains import Domain, Pairs
from pyro_favae.experiments.domain_adaptation.measures import judged
from pyro_favae.experiments.domain_adaptation.plans import DIGITS, PLANS, Plan
from pyro_favae.experiments.domain_adaptation.sources import load_digits, load_faces_and_cartoons
from pyro_favae.experiments.domain_adaptation.training import adapt

WAYS = ("plugged-in", "refined", "joint")
NAMES = (*WAYS, "drawn", "code", *multivae_domains.MODELS)


def main() -> None:
    options = arguments()
    plan, domains = source(options)
    plan = replace(plan, epochs=options.epochs or plan.epochs)
    rows = []
    for seed in range(options.seeds):
        pairs = Pairs.of(domains, plan.per_cell, seed)
        judges = {name: train_domain_judge(pairs.learn[name], plan, seed) for name in pairs.names}
        for name in options.models:
            for label, beta in variants(name, options.beta):
                begin = process_time()
                translate = trained(name, pairs, plan, beta, seed)
                seconds = process_time() - begin
                row = {"seconds": seconds}
                for target in pairs.names:
                    origin, real = pairs.test[pairs.other(target)], pairs.test[target]
                    images = translate(pairs.other(target), target, origin.images, seed)
                    shares = judged(judges[target], images, origin, real)
                    row |= {f"{target}: {key}": value for key, value in shares.items()}
                print(f"{label}, seed {seed}:", *(f"{k} {v:.3f}" for k, v in row.items()), flush=True)
                rows.append({"model": label, **row})
    print(pd.DataFrame(rows).groupby("model", sort=False).mean().round(3).to_string())


def variants(name: str, betas: list[float]) -> list[tuple[str, float]]:
    """A row's label and β, one for every β where the model has one."""
    return [(name, 1.0)] if name in (*WAYS, "drawn") else [(f"{name}, β = {beta:g}", beta) for beta in betas]


def trained(name: str, pairs: Pairs, plan: Plan, beta: float, seed: int):
    """A function that translates."""
    if name in multivae_domains.MODELS:
        return multivae_domains.Peer(name, pairs, plan, beta, seed).translate
    if name == "code":
        return train_discrete_code(pairs, replace(plan, code_beta=beta), seed=seed, progress=False).translate
    if name == "drawn":
        return adapt(pairs, plan, seed=seed, progress=False).draw
    return adapt(pairs, plan, name, seed=seed, progress=False).translate


def source(options: argparse.Namespace) -> tuple[Plan, dict[str, Domain]]:
    if options.root is None:
        return DIGITS, load_digits()
    plan = PLANS["small"]
    return plan, load_faces_and_cartoons(options.root, plan, progress=False)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--root", type=Path)
    parser.add_argument("--models", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--beta", type=float, nargs="+", default=[1.0, 10.0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    peers = [name for name in options.models if name in multivae_domains.MODELS]
    if peers and not multivae_domains.available():
        print(f"{' and '.join(peers)} left out: multivae is not installed; pip install multivae==1.0.3")
        options.models = [name for name in options.models if name not in peers]
    return options


if __name__ == "__main__":
    main()
