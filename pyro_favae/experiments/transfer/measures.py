"""How much sooner, and how well."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch

import pyro_favae as fv
from pyro_favae.experiments.transfer.watch import r2_of_each


def reached(curve: pd.DataFrame, level: float) -> tuple[float, float]:
    """First epoch whose held-out likelihood is at least ``level``, and its seconds; NaN if none is.

    curve: as :class:`Watch` gives it.
    """
    there = curve.index[curve["likelihood"] >= level]
    if not len(there):
        return np.nan, np.nan
    return float(there[0]), float(curve["seconds"].loc[there[0]])


def sooner(curves: Mapping[str, pd.DataFrame], baseline: str) -> pd.DataFrame:
    """Epochs and seconds in which each reaches the best held-out reconstruction that the baseline ever has.

    Columns: ``epochs``, ``seconds``; ``ratio`` of epochs and ``ratio of seconds``, the baseline's over each's.
    """
    level = curves[baseline]["likelihood"].max()
    table = pd.DataFrame(
        [reached(curve, level) for curve in curves.values()],
        index=list(curves),
        columns=["epochs", "seconds"],
    )
    for column, ratio in (("epochs", "ratio"), ("seconds", "ratio of seconds")):
        table[ratio] = table[column].loc[baseline] / table[column]
    return table


def r2_table(reconstructions: Mapping[str, np.ndarray], images: np.ndarray) -> pd.DataFrame:
    """Mean and standard deviation over images of each one's R². Table 3.

    Columns: ``mean``, ``sd``, of held-out images (n, C, H, W) about the mean of their own pixels.
    """
    scores = {
        name: r2_of_each(torch.as_tensor(drawn), torch.as_tensor(images))
        for name, drawn in reconstructions.items()
    }
    return pd.DataFrame(
        {name: {"mean": float(r2.mean()), "sd": float(r2.std())} for name, r2 in scores.items()}
    ).T


def most_relevant(fit: fv.Fit, name: str, n: int) -> list[int]:
    """Latent dimensions of a view by Σ_k |w_dk| √τ_d, the largest first. Section 3.3.

    Weights count in units of the noise: by themselves they are largest of latents that many factors say a little of.
    """
    view = fit.guide.posterior.view(name)
    relevance = view.weights.weights.abs().sum(1) * view.noise.mean.sqrt()
    return relevance.argsort(descending=True)[:n].tolist()


def most_informative(vae: fv.Pretrained, images: np.ndarray, n: int) -> list[int]:
    """Latent dimensions of a VAE, which has no weights, by their divergence from the prior, the largest first."""
    mean, variance = vae.encode(images)
    nats = 0.5 * (mean**2 + variance - 1 - np.log(variance)).mean(0)
    return np.argsort(-nats)[:n].tolist()
