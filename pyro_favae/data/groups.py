"""Labels of the groups that rows belong to, given beside the views."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from pyro_favae.errors import DataError, shown
from pyro_favae.models.favae import FAVAE


def split_labels(model: FAVAE, data: Mapping[str, Any]) -> tuple[Mapping[str, Any], pd.Series | None]:
    """What is given of the views, and the labels where the factors' prior has groups and they are given.

    Labels other than a series are numbered from zero.
    """
    column = model.factors.column
    if column is None or not isinstance(data, Mapping) or column not in data:
        return data, None
    views = {name: values for name, values in data.items() if name != column}
    labels = data[column]
    if labels is None or isinstance(labels, pd.Series):
        return views, labels
    try:
        labels = np.asarray(labels, dtype=object)
    except Exception as error:  # whatever an array-like of the user's own raises
        raise DataError(f"{column!r} cannot be read as labels, one for each row: {error}") from error
    if labels.ndim != 1:
        raise DataError(f"{column!r} has shape {labels.shape}, expected one label for each row, (rows,)")
    return views, pd.Series(labels)


def row_groups(
    model: FAVAE, labels: pd.Series | None, index: pd.Index, *, by_index: bool, learn: bool
) -> Tensor | None:
    """Each row's position among the declared groups, (rows,), or the number of groups if its label is missing.

    None where the factors' prior has no groups. by_index: whether rows are known by their labels in ``index``, as
    those of data frames are, or by position. Raises :class:`DataError` for a label that is not declared, for labels
    that do not match the rows, and, if it is to learn from, for a row without a label.
    """
    column = model.factors.column
    if column is None:
        return None
    groups = model.factors.groups
    labels = pd.Series(None, index, dtype=object) if labels is None else labels
    if by_index:
        labels = _aligned(column, labels, index)
    if len(labels) != len(index):
        raise DataError(f"{column!r} has {len(labels)} labels, expected {len(index)}, one for each row")
    missing = labels.isna().to_numpy()
    if learn and missing.any():
        raise DataError(
            f"{column!r}: row {index[missing.argmax()]!r} has no label, nor have {missing.sum() - 1} others; to "
            f"learn, each row needs one of {list(groups)}"
        )
    positions = pd.Index(groups, dtype=object).get_indexer(labels.to_numpy(dtype=object))
    strange = (positions < 0) & ~missing
    if strange.any():
        raise DataError(
            f"{column!r}: {shown(labels.iloc[strange.argmax()])} of row {index[strange.argmax()]!r} is no declared "
            f"group; declared: {list(groups)}"
        )
    return torch.from_numpy(np.where(missing, len(groups), positions))


def _aligned(column: str, labels: pd.Series, index: pd.Index) -> pd.Series:
    if labels.index.has_duplicates:
        repeated = labels.index[labels.index.duplicated()][0]
        raise DataError(f"{column!r}: the index repeats {repeated!r}, expected one label for each row")
    return labels.reindex(index)
