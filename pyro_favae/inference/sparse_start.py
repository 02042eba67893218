"""Where sparse weights start: near the axes along which they are sparse.

Principal components are dense combinations of sparse factors, and a prior that switches weights off one by one keeps
what it is started from. It is led there under the horseshoe, whose pull towards sparse axes is smooth.
"""

from collections.abc import Callable, Sequence

from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.priors import weight_prior_posterior
from pyro_favae.inference.sparse_rotation import depends_on_axes
from pyro_favae.models.priors import Horseshoe

STAND_IN = Horseshoe()
SWEEPS = 60  # at most
TOLERANCE = 1e-6  # of the bound that a sweep must gain: at 1e-4 some factors still lie between two axes


def lead_to_sparse_axes(views: Sequence[ViewPosterior], sweep: Callable[[], float]) -> None:
    """Learn for a while with the horseshoe in place of the priors that depend on the axes.

    sweep: one exact pass over the rows; returns the bound, nats.
    """
    sparse = [view for view in views if depends_on_axes(view)]
    if not sparse:
        return
    declared = [view.relevance for view in sparse]
    try:
        for view in sparse:
            _put(view, weight_prior_posterior(STAND_IN, *view.weights.weights.shape))
        _sweep_to_tolerance(sweep)
    finally:
        for view, relevance in zip(sparse, declared, strict=True):
            _put(view, relevance)


def _put(view: ViewPosterior, relevance) -> None:
    view.relevance = relevance.to(view.weights_mean.device)
    relevance.update(view.weights.moments)


def _sweep_to_tolerance(sweep: Callable[[], float]) -> None:
    bound = sweep()
    for _ in range(SWEEPS - 1):
        before, bound = bound, sweep()
        if bound - before < TOLERANCE * abs(bound):
            return
