"""Which factors are shared by views, which are private to one, which are off."""

import warnings

import numpy as np
import pandas as pd

from pyro_favae.diagnostics.implied_variance import implied_shares
from pyro_favae.errors import SpecError
from pyro_favae.inference.activity import determination
from pyro_favae.models.declaration import require_count
from pyro_favae.results import Fit


class SharingWarning(UserWarning):
    """A view has no factor in common with any other: nothing can be predicted from or for it."""


def sharing(fit: Fit, threshold: float = 0.01, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """One row a factor: ``kind``, the ``views`` that use it, how sure that is, and figures of each view.

    ``<view>.determination`` is |w̄_k|² / Σ_d <w_dk²>, in [0, 1]: the share of a view's squared weights on the factor
    that is not uncertainty. A view uses a factor, as in ``fit.active``, where it exceeds what chance gives a useless
    one (:func:`pyro_favae.inference.activity.thresholds`; ½ for a view of many features). kind is ``"shared"`` (two
    views or more use it), ``"private"`` (one) or ``"off"``.

    ``<view>.probability`` is that of the factor explaining more than ``threshold`` of the view's variance, from draws
    of q(W) (:func:`pyro_favae.diagnostics.implied_variance.implied_shares`). Views are independent under q, so that
    ``p_shared``, ``p_private`` and ``p_off`` follow, and add up to 1. kind says whether there is an effect,
    probability whether it is of a size that matters: a factor with clear but small weights is shared, and probably
    below a high threshold. draws, seed: of the probabilities, whose standard error is at most ½ / √draws.

    Warns with :class:`SharingWarning` of every view that shares no factor with another. Raises :class:`SpecError` for
    a threshold outside [0, 1).
    """
    if not 0 <= threshold < 1:
        raise SpecError(f"sharing: threshold is {threshold!r}, expected a share of variance in [0, 1)")
    require_count("sharing", draws=draws)
    names = fit.posterior.names
    degree = determination(fit.posterior).cpu().numpy()
    used = fit.active.to_numpy()
    count = used.sum(0)
    _warn_of_isolated(names, used[:, count > 1].any(1))
    shares = [implied_shares(fit, name, draws, seed) for name in names]
    probability = np.stack([(values > threshold).double().mean(0).cpu().numpy() for values in shares])
    frame = pd.DataFrame(
        {
            "kind": [("off", "private", "shared")[min(n, 2)] for n in count],
            "views": [tuple(n for n, use in zip(names, column, strict=True) if use) for column in used.T],
            **_role_probabilities(probability),
        }
    )
    for name, *values in zip(names, degree, probability, strict=True):
        frame[f"{name}.determination"], frame[f"{name}.probability"] = values
    return frame.rename_axis("factor")


def _role_probabilities(used: np.ndarray) -> dict[str, np.ndarray]:
    """Probabilities that two views or more, one, or none use a factor, (K,), from each view's (M, K)."""
    unused = 1 - used
    off = unused.prod(0)
    others = [np.delete(unused, view, 0).prod(0) for view in range(len(used))]
    private = (used * others).sum(0)
    return {"p_shared": np.clip(1 - off - private, 0, 1), "p_private": private, "p_off": off}


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
