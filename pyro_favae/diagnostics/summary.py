"""What was learnt of each view, in one table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pyro_favae.data import prepare
from pyro_favae.diagnostics.influence import influence
from pyro_favae.diagnostics.variance import total_variance_explained
from pyro_favae.results import Fit


def summary(fit: Fit, data: Mapping[str, Any]) -> pd.DataFrame:
    """One row a view, of the data that the fit was learnt from or of others.

    ``kind``, ``rows`` that have the view, ``shared`` and ``private``: how many factors it uses together with other
    views and alone. ``latent`` and ``data``: the share of its variance that the factors explain, on the two scales of
    :func:`variance_explained`. ``influence``: what all its latent dimensions say of its data, nats; NaN for a view
    without an encoder.
    """
    used = fit.active.to_numpy()
    common = used & (used.sum(0) > 1)
    present = prepare(fit.declaration, data).views
    columns = {
        "kind": [type(view).__name__ for view in fit.declaration.views.values()],
        "rows": [int(view.present.sum()) for view in present.values()],
        "shared": common.sum(1),
        "private": (used & ~common).sum(1),
        **{scale: total_variance_explained(fit, data, scale) for scale in ("latent", "data")},
        "influence": [_influence(fit, name, data[name]) for name in fit.posterior.names],
    }
    return pd.DataFrame(columns, index=pd.Index(fit.posterior.names, name="view"))


def _influence(fit: Fit, name: str, data: Any) -> float:
    if not fit.guide.inference(name).trained_by_gradient:
        return np.nan
    return influence(fit, name, data).total
