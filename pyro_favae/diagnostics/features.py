"""Which features a factor acts on."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import require_count
from pyro_favae.results import Fit


def top_features(fit: Fit, view: str, factor: int, n: int = 10, level: float = 0.95) -> pd.DataFrame:
    """The n features of a view with the largest weights on a factor in absolute value, largest first.

    mean, sd: of the weight's posterior, in the user's units per unit of the factor. lower, upper: its central
    credible interval of the given level. sign: probability that the weight has the sign of its mean, Φ(|mean| / sd),
    ½ to 1. inclusion: probability that it is on, under a prior that switches weights off. Features of a view behind
    an encoder are its latent dimensions. The intervals are those of q, which knows no uncertainty of the factors'
    axes.

    Raises :class:`SpecError` for a factor that does not exist or a level outside (0, 1).
    """
    require_count("top_features", n=n)
    table = fit.weight_table(view)
    if factor not in table.columns:
        raise SpecError(f"top_features: factor {factor!r} does not exist, expected 0 to {table.shape[1] - 1}")
    if not 0 < level < 1:
        raise SpecError(f"top_features: level is {level!r}, expected a number between 0 and 1")
    mean = table[factor].to_numpy()
    sd = fit.weight_sd(view)[:, factor]
    reach = norm.isf((1 - level) / 2) * sd
    columns = {
        "mean": mean,
        "sd": sd,
        "lower": mean - reach,
        "upper": mean + reach,
        "sign": norm.cdf(np.abs(mean) / sd),
    }
    if fit.posterior.view(view).relevance.inclusion is not None:
        columns["inclusion"] = fit.inclusion(view)[factor].to_numpy()
    order = np.argsort(-np.abs(mean), kind="stable")[:n]
    return pd.DataFrame(columns, index=table.index).iloc[order]
