"""The evidence lower bound, every constant kept, as named terms."""

import torch
from torch import Tensor

from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.statistics import Statistics
from pyro_favae.inference.updates import LOG_2PI


@torch.no_grad()
def elbo_terms(posterior: Posterior, statistics: Statistics) -> dict[str, float]:
    """The bound's terms in nats, by name; their sum is the bound.

    For each view: ``likelihood`` (of the data given z), ``latents`` (E log p(z | g) plus the entropy of q(z)),
    ``weights`` and ``noise`` (minus a divergence). For all: ``factors``, and ``components`` of a mixture or
    ``groups`` of rows.
    """
    terms: dict[str, Tensor] = {}
    for view, sums in zip(posterior.views, statistics.views, strict=True):
        terms |= view.elbo(sums)
    terms |= posterior.factors.elbo(statistics.factors)
    rows = statistics.factors
    terms["factors"] = terms["factors"] + 0.5 * (rows.n * len(rows.g) * (1 + LOG_2PI) + rows.log_determinant)
    return {name: float(value) for name, value in terms.items()}
