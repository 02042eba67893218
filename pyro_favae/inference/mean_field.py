"""Pyro's mean-field estimate of a bound, as tensors that are never asked for their values."""

from collections.abc import Callable
from typing import NamedTuple, cast

import pyro
import torch
from pyro import poutine
from pyro.poutine.trace_struct import Trace
from torch import Tensor
from torch.distributions import Distribution, kl_divergence


class Terms(NamedTuple):
    """What a bound is made of, scalars in nats."""

    likelihood: Tensor  # log p of what is observed, scaled as the model has it
    divergence: Tensor  # KL(q ‖ p) of what is latent
    guide: Trace


@pyro.validation_enabled(False)  # whose checks ask too
def mean_field_terms(model: Callable[[], None], guide: Callable[[], None]) -> Terms:
    """One draw of the guide, the model replayed against it, and divergences in closed form.

    What Pyro's TraceMeanField_ELBO estimates; that one turns each estimate into a number, for which the host waits
    until a GPU has done all that it was given.
    """
    drawn = poutine.trace(guide).get_trace()
    played = poutine.trace(poutine.replay(model, trace=drawn)).get_trace()
    played.compute_log_prob(site_filter=lambda _, site: site["is_observed"])
    likelihood, divergence = [], []
    for name, site in played.nodes.items():
        if site["type"] != "sample":
            continue
        if site["is_observed"]:
            likelihood.append(site["log_prob_sum"])
        else:
            q, p = cast(Distribution, drawn.nodes[name]["fn"]), cast(Distribution, site["fn"])
            divergence.append(kl_divergence(q, p).sum())
    return Terms(torch.stack(likelihood).sum(), torch.stack(divergence).sum(), drawn)
