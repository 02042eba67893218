"""Experiment `conditioning`: Section 3.1 and Appendix A.1 of the FA-VAE paper."""

from pathlib import Path

from pyro_favae.experiments.conditioning.attribute_judge import train_attribute_judge
from pyro_favae.experiments.conditioning.figures import draw_figures
from pyro_favae.experiments.conditioning.measures import Quality, measure
from pyro_favae.experiments.conditioning.plans import PLANS, load_faces
from pyro_favae.experiments.conditioning.training import Conditioned, condition, train_vae
from pyro_favae.experiments.experiment import Size


def run_conditioning(root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str:
    """Train a VAE of faces, condition it on smiling, lipstick and male, judge what it draws, and look.

    Reads CelebA under ``root``; writes `table.md`, `fit.favae` and figures into ``out``. CelebA's terms forbid
    publishing the figures that show faces.
    """
    plan = PLANS[size]
    split = load_faces(root, plan, seed, progress)
    vae = train_vae(split, plan, seed=seed, progress=progress)
    conditioned = condition(vae, split, plan, seed=seed, progress=progress)
    conditioned.fit.save(out / "fit.favae")
    judge = train_attribute_judge(split, plan, seed)
    table = tabulated(conditioned, measure(conditioned, judge, split, seed))
    (out / "table.md").write_text(table + "\n", encoding="utf-8")
    draw_figures(conditioned, split, out, seed)
    return table


def tabulated(conditioned: Conditioned, quality: Quality) -> str:
    """The measures as a table in Markdown, and the rest beneath it."""
    shares = quality.attributes
    lines = [
        "| " + " | ".join(["attribute", *shares.columns]) + " |",
        "|---" * (1 + len(shares.columns)) + "|",
        *(
            f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |"
            for name, *row in shares.itertuples()
        ),
    ]
    before, after = quality.reconstruction
    training, conditioning = conditioned.vae.history["seconds"].iloc[-1], conditioned.seconds
    rest = {
        "variety of generated images": f"{quality.spread:.3f} of real ones'",
        "reconstruction, held-out R²": f"{before:.4f} before conditioning, {after:.4f} after",
        "seconds": f"{training:.1f} for the VAE, {conditioning:.1f} for conditioning ({conditioning / training:.1%})",
    }
    return "\n".join([*lines, "", *(f"- {name}: {value}" for name, value in rest.items())])
