"""Reconstruction from the most influential factors alone."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from pyro_favae.experiments.influence.bounds import recovery_guide
from pyro_favae.experiments.influence.discovery import Discovery
from pyro_favae.experiments.influence.shares import SHARES, keep
from pyro_favae.results import Pretrained


def generation_by_share(
    vae: Pretrained, data: Any, discovery: Discovery, shares: Iterable[float] = SHARES
) -> pd.DataFrame:
    """Table 2: reconstructions from the means of the top shares of the factors, others at zero.

    data: the rows (n, *event) that ``discovery`` is of. One row a share in percent: ``factors`` kept, ``nats`` they
    carry, ``mse``, the squared error summed over a row's entries and averaged over rows, as the paper's, and
    ``guide``, Theorem 4's curve among the influential factors. Section 5.3.
    """
    means, information = discovery.means, discovery.information
    table = pd.DataFrame(index=pd.Index(list(shares), name="share"))
    kept = [information.top(share / 100) for share in table.index]
    table["factors"] = [len(factors) for factors in kept]
    table["nats"] = [information.kept(share / 100) for share in table.index]
    table["mse"] = [squared_error(vae.decode(keep(means, factors)), data) for factors in kept]
    none = squared_error(vae.decode(np.zeros_like(means)), data)
    table["guide"] = recovery_guide(table["nats"], none, max(1, len(discovery.influential)))
    return table


def squared_error(reconstruction: np.ndarray, data: Any) -> float:
    """Of (n, *event), summed over entries and averaged over rows."""
    difference = np.asarray(data, np.float32) - reconstruction
    return float(np.square(difference).reshape(len(difference), -1).sum(1, dtype=np.float64).mean())
