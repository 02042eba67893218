"""Which factors are shared by views, which are private to one, which are off."""

import warnings

import pandas as pd

from pyro_favae.inference.activity import determination
from pyro_favae.results import Fit


class SharingWarning(UserWarning):
    """A view has no factor in common with any other: nothing can be predicted from or for it."""


def sharing(fit: Fit) -> pd.DataFrame:
    """One row a factor: ``kind``, the ``views`` that use it, and each view's ``<view>.determination``.

    determination is |w̄_k|² / Σ_d <w_dk²>, in [0, 1]: the share of a view's squared weights on the factor that is
    not uncertainty. A view uses a factor, as in ``fit.active``, where it exceeds what chance gives a useless one
    (:func:`pyro_favae.inference.activity.thresholds`; ½ for a view of many features). kind is ``"shared"`` (two
    views or more use it), ``"private"`` (one) or ``"off"``.

    Warns with :class:`SharingWarning` of every view that shares no factor with another.
    """
    names = fit.posterior.names
    degree = determination(fit.posterior).cpu().numpy()
    used = fit.active.to_numpy()
    count = used.sum(0)
    _warn_of_isolated(names, used[:, count > 1].any(1))
    frame = pd.DataFrame(
        {
            "kind": [("off", "private", "shared")[min(n, 2)] for n in count],
            "views": [tuple(n for n, use in zip(names, column, strict=True) if use) for column in used.T],
        }
    )
    for name, values in zip(names, degree, strict=True):
        frame[f"{name}.determination"] = values
    return frame.rename_axis("factor")


def _warn_of_isolated(names, shares) -> None:
    isolated = [name for name, share in zip(names, shares, strict=True) if not share]
    if len(names) < 2 or not isolated:
        return
    warnings.warn(
        f"no factor links view {', '.join(map(repr, isolated))} to another view: it cannot be predicted from the "
        "others nor they from it. Likely causes: too few passes, too few rows with several views, too few "
        "factors, or views that are indeed independent",
        SharingWarning,
        stacklevel=3,
    )
