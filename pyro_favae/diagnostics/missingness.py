"""What is missing of the data."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from pyro_favae.data import given_views
from pyro_favae.models.favae import FAVAE
from pyro_favae.results import Fit
from pyro_favae.results.predictive import CHUNK


def missingness(model: FAVAE | Fit, data: Mapping[str, Any]) -> pd.DataFrame:
    """Share of each row's entries of each view that is missing, rows × views, in [0, 1].

    1 where a row lacks the view, as it does a view that ``data`` leaves out; what a sequence is shorter than the
    longest counts as missing. Takes what :func:`pyro_favae.fit` takes, before or after fitting.
    """
    declaration = model.declaration if isinstance(model, Fit) else model
    dataset = given_views(declaration, data)
    frame = pd.DataFrame(1.0, dataset.index, pd.Index(declaration.views, name="view"))
    parts = [_missing(batch.observed) for batch in dataset.in_order(CHUNK, torch.device("cpu"))]
    for name in dataset.views:
        frame[name] = torch.cat([part[name] for part in parts]).numpy()
    return frame


def _missing(observed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: 1 - seen.flatten(1).double().mean(1) for name, seen in observed.items()}
