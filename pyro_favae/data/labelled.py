"""Tables whose rows and columns have names: data frames, series, AnnData and the modalities of a MuData."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pyro_favae.data.values import instance_of
from pyro_favae.errors import DataError
from pyro_favae.models.views import View


def is_labelled(values: object) -> bool:
    """Whether the rows have names."""
    return isinstance(values, pd.DataFrame | pd.Series) or is_anndata(values)


def is_anndata(values: object) -> bool:
    """Whether this is an AnnData."""
    return instance_of(values, "anndata", "AnnData")


def modalities(data: Any, declared: Mapping[str, View]) -> tuple[Any, pd.Index | None]:
    """The modalities of a MuData that are declared as views, and the names of its rows; other data as they are."""
    if not instance_of(data, "mudata", "MuData"):
        return data, None
    if data.axis == 1:
        raise DataError("data is a MuData of shared variables (axis=1), expected one of shared rows (axis=0)")
    if not set(data.mod) & set(declared):
        raise DataError(
            f"no modality of the MuData is a view: {list(data.mod)}; declared views: {list(declared)}"
        )
    require_unique("the MuData", data.obs_names)
    return {name: table for name, table in data.mod.items() if name in declared}, data.obs_names


def unlabelled(name: str, view: View, table: Any) -> tuple[Any, pd.Index]:
    """The numbers of a table, the declared columns in the declared order where it has them, and its rows' names.

    Without columns of the declared names all of them are taken, in the table's order.
    """
    index = table.obs_names if is_anndata(table) else table.index
    require_unique(f"view {name!r}", index)
    return (_of_anndata if is_anndata(table) else _of_frame)(name, view, table), index


def joined(labels: Mapping[str, pd.Index], first: pd.Index | None = None) -> pd.Index | None:
    """Outer join of the views' row names, in the order they are met; None where no rows have names.

    Raises :class:`DataError` where names of another kind, as numbers beside strings, meet no row.
    """
    index = first
    for name, own in labels.items():
        if index is None:
            index = own
            continue
        kinds = own.inferred_type, index.inferred_type
        if len(own) and len(index) and kinds[0] != kinds[1] and own.intersection(index).empty:
            raise DataError(
                f"view {name!r} names its rows by {kinds[0]} ({own[0]!r}), the views before it by {kinds[1]} "
                f"({index[0]!r}), and they have no row in common; expected names of one kind: use astype(str) on an "
                "index"
            )
        index = index.union(own, sort=False)
    return index


def require_unique(what: str, index: pd.Index) -> None:
    """Raise :class:`DataError` if two rows have one name."""
    if index.has_duplicates:
        repeated = index[index.duplicated()][0]
        raise DataError(
            f"{what}: the index repeats {repeated!r}, expected one row for each label; where several batches number "
            "their rows alike, put the batch into the names"
        )


def _of_frame(name: str, view: View, frame: pd.DataFrame | pd.Series) -> np.ndarray:
    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    if _names_columns(view, frame.columns):
        frame = frame.rename(columns=str)[list(view.column_names)]
    try:
        return frame.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"view {name!r}: the data frame holds values that are not numbers: {error}"
        ) from error


def _of_anndata(name: str, view: View, table: Any) -> Any:
    """X, dense or sparse, as it is."""
    if table.X is None:
        raise DataError(f"view {name!r} is an AnnData without X, expected a matrix (rows, columns)")
    if table.isbacked:
        raise DataError(
            f"view {name!r} is an AnnData that is backed by a file, expected one in memory: to_memory()"
        )
    if not _names_columns(view, table.var_names):
        return table.X
    if table.var_names.has_duplicates:
        repeated = table.var_names[table.var_names.duplicated()][0]
        raise DataError(f"view {name!r}: var_names repeat {repeated!r}, expected one column for each name")
    columns = table.var_names.get_indexer(view.column_names)
    return table.X if np.array_equal(columns, np.arange(table.n_vars)) else table.X[:, columns]


def _names_columns(view: View, columns: pd.Index) -> bool:
    """Whether the view declares names, and they are among those of the columns."""
    named = not all(column.isdigit() for column in view.column_names)
    return named and set(view.column_names) <= set(map(str, columns))
