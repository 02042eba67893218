"""Experiment `domain-adaptation`: Section 3.2 and Appendix A.2 of the FA-VAE paper."""

from collections import Counter
from pathlib import Path

import pandas as pd

from pyro_favae.experiments.domain_adaptation.discrete_code import train_discrete_code
from pyro_favae.experiments.domain_adaptation.domain_judge import train_domain_judge
from pyro_favae.experiments.domain_adaptation.domains import Pairs
from pyro_favae.experiments.domain_adaptation.figures import draw_figures, roles_of
from pyro_favae.experiments.domain_adaptation.gaussians import CellGaussians
from pyro_favae.experiments.domain_adaptation.measures import measure
from pyro_favae.experiments.domain_adaptation.plans import PLANS
from pyro_favae.experiments.domain_adaptation.sources import load_faces_and_cartoons
from pyro_favae.experiments.domain_adaptation.training import Adapted, adapt
from pyro_favae.experiments.experiment import Size


def run_domain_adaptation(root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str:
    """Translate faces into cartoons and back, judge what becomes of hair colour and glasses, and look.

    Reads CelebA and the Cartoon Set under ``root``; writes `table.md`, `fit.favae` and figures into ``out``. CelebA's
    terms forbid publishing the figures that show faces.
    """
    plan = PLANS[size]
    pairs = Pairs.of(load_faces_and_cartoons(root, plan, progress), plan.per_cell, seed)
    adapted = adapt(pairs, plan, seed=seed, progress=progress)
    adapted.fit.save(out / "fit.favae")
    code = train_discrete_code(pairs, plan, seed=seed, progress=progress)
    vaes = {name: adapted.fit.pretrained(name) for name in pairs.names}
    methods = {
        "FA-VAE": adapted.translate,
        "FA-VAE, drawn": adapted.draw,
        "discrete code": code.translate,
        "Gaussians": CellGaussians.of(vaes, pairs).translate,
    }
    judges = {name: train_domain_judge(pairs.learn[name], plan, seed) for name in pairs.names}
    shares = measure(methods, adapted.fit.reconstruct, judges, pairs, seed)
    table = tabulated(shares, {"FA-VAE": adapted.seconds, "discrete code": code.seconds}, adapted)
    (out / "table.md").write_text(table + "\n", encoding="utf-8")
    draw_figures(adapted, methods, pairs, out, seed)
    return table


def tabulated(shares: pd.DataFrame, seconds: dict[str, float], adapted: Adapted) -> str:
    """The measures as a table in Markdown, and the rest beneath it."""
    pairs = adapted.pairs
    header = ["", *(f"{target}: {key}" for target, key in shares.columns)]
    lines = [
        "| " + " | ".join(header) + " |",
        "|---" * len(header) + "|",
        *(
            f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |"
            for name, *row in shares.itertuples()
        ),
    ]
    counts = ", ".join(f"{len(pairs.test[name].labels):,} {name}s" for name in pairs.names)
    took = ", ".join(f"{value:.0f} for {name}" for name, value in seconds.items())
    roles = Counter(roles_of(adapted.fit)).most_common()
    rest = {
        "pairs": f"{pairs.n:,}; held out: {counts}",
        "factors": ", ".join(f"{count} {role}" for role, count in roles),
        "canonical correlations": " ".join(f"{value:.2f}" for value in adapted.correlations()),
        "seconds": took,
    }
    return "\n".join([*lines, "", *(f"- {name}: {value}" for name, value in rest.items())])
