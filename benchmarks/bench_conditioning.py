"""Where faces drawn from attributes lose against reconstructions, and what was chosen for it, on training rows alone.

python benchmarks/bench_conditioning.py --root DIR [--seed 1] [--vae FILE]

Three tenths of the training rows of `pyro-favae reproduce conditioning --size small --seed SEED` are set aside: the
judge and the fits do not see them; the VAE, which is read from FILE or trained and written there, has seen them
without attributes. Balanced accuracies of the judge, and the variety of what is drawn, as there.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import pyro_favae as fv
from pyro_favae.experiments.conditioning.attribute_judge import AttributeJudge, train_attribute_judge
from pyro_favae.experiments.conditioning.cells import cells_of, frequent
from pyro_favae.experiments.conditioning.measures import balanced, edited
from pyro_favae.experiments.conditioning.plans import PLANS, Split, load_faces
from pyro_favae.experiments.conditioning.training import Conditioned, condition, train_vae
from pyro_favae.experiments.quality import spread
from pyro_favae.results import edits

DRAWS = 3  # faces drawn for each row
FEWEST = 70  # rows below which a combination does not count: as many as 100 of the held-out ones
STRENGTHS = ((1.0,) * 3, (1.15,) * 3, (1.3,) * 3, (1.5,) * 3)


class Table:
    """Lines of measures on the rows set aside, printed as they come."""

    def __init__(self, judge: AttributeJudge, split: Split) -> None:
        truth = split.test_attributes.to_numpy()
        known = np.isin(cells_of(truth), frequent(truth, FEWEST))
        self.judge, self.images, self.truth = judge, split.test_images[known], truth[known]
        print(f"{'':44}{'   '.join(split.attributes.columns)}   variety")

    def add(self, name: str, images: np.ndarray) -> None:
        """One line of images of the rows, once or several times over."""
        truth = np.tile(self.truth, (len(images) // len(self.truth), 1))
        shares = balanced(self.judge.verdict(images), truth)
        variety = spread(images, cells_of(truth), self.images, cells_of(self.truth))
        print(f"{name:44}{'   '.join(f'{share:.3f}' for share in [*shares, variety])}", flush=True)


def latents_of_combinations(
    vae: fv.Pretrained, split: Split, cells: np.ndarray, how: str, rng: np.random.Generator
) -> np.ndarray:
    """Latents (rows, D) for rows of given combinations, drawn from those of the rows learnt from.

    how: "posterior" of one of them, a Gaussian with its "own covariance", or one with the "mean covariance" of all.
    """
    (means, variances), learnt = vae.encode(split.images), cells_of(split.attributes)
    members = {cell: np.flatnonzero(learnt == cell) for cell in np.unique(cells)}
    covariances = {cell: np.cov(means[rows].T) for cell, rows in members.items()}
    drawn = np.empty((len(cells), means.shape[1]), np.float32)
    for cell, rows in members.items():
        wanted = np.flatnonzero(cells == cell)
        if how == "posterior":
            one = rng.choice(rows, len(wanted))
            drawn[wanted] = rng.normal(means[one], np.sqrt(variances[one]))
            continue
        own = covariances[cell] if how == "own covariance" else np.mean(list(covariances.values()), 0)
        noise = np.diag(variances[rows].mean(0))
        drawn[wanted] = rng.multivariate_normal(means[rows].mean(0), own + noise, len(wanted))
    return drawn


def drawn(conditioned: Conditioned, truth: np.ndarray, strength: Sequence[float]) -> np.ndarray:
    """Faces for rows of attributes, several times over."""
    asked = replace(conditioned, strength=tuple(strength))
    return np.concatenate([asked.generate(truth, seed) for seed in range(DRAWS)])


def print_edits(conditioned: Conditioned, table: Table) -> None:
    """Shares edited and kept, by how often an edit moves."""
    before = table.judge.verdict(conditioned.fit.reconstruct("face", table.images))
    usual = edits.MOVES
    for edits.MOVES in (1, usual):
        shares = edited(conditioned, table.judge, table.images, table.truth, before)
        for name, values in shares.items():
            line = "   ".join(f"{value:.3f}" for value in values)
            print(f"{f'{name}, moves: {edits.MOVES}':44}{line}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vae", type=Path)
    options = parser.parse_args()
    if not (options.root / "celeba").is_dir():
        raise SystemExit(f"no celeba/ in {options.root}: nothing to measure")
    plan = PLANS["small"]
    whole = load_faces(options.root, plan, options.seed, progress=False)
    if options.vae and options.vae.is_file():
        vae = fv.load_pretrained(options.vae)
    else:
        vae = train_vae(whole, plan, seed=options.seed, progress=False)
        if options.vae:
            vae.save(options.vae)
    split = Split.of(whole.images, whole.attributes, options.seed + 100)
    table, rng = Table(train_attribute_judge(split, plan), split), np.random.default_rng(0)
    table.add("real", table.images)
    table.add("reconstructed: the ceiling", vae.reconstruct(table.images))
    for how in ("posterior", "own covariance", "mean covariance"):
        cells = np.tile(cells_of(table.truth), DRAWS)
        table.add(f"latents: {how}", vae.decode(latents_of_combinations(vae, split, cells, how, rng)))
    for grouped in (False, True):
        conditioned = condition(vae, split, replace(plan, grouped=grouped), progress=False)
        for strength in (*STRENGTHS, plan.strength):
            name = f"{'with' if grouped else 'without'} groups, strength {', '.join(map(str, strength))}"
            table.add(name, drawn(conditioned, table.truth, strength))
        print_edits(conditioned, table)


if __name__ == "__main__":
    main()
