"""Whether learning had come to rest when it ended."""

from dataclasses import dataclass

import numpy as np

from pyro_favae.errors import SpecError
from pyro_favae.results import Fit

EXACT = ("sweep", "settle")  # stages whose passes are exact, so that the bound never falls


@dataclass(frozen=True, repr=False)
class Convergence:
    """How the bound rose last; see :func:`convergence`."""

    passes: int
    ended_by: str  # as ``fit.ended_by``
    bound: float  # after the last pass, nats
    last_gain: float  # of the last pass, nats; NaN of a single one
    relative_gain: float  # the same as a share of the bound's size
    exact: bool  # whether the last pass was a sweep over all rows with nothing sampled: then the bound cannot fall

    @property
    def converged(self) -> bool:
        """Whether learning ended because the bound no longer rose by more than the tolerance."""
        return self.ended_by == "tolerance"

    def __repr__(self) -> str:
        ends = {
            "tolerance": "it had come to rest by its tolerance",
            "epochs": "its budget of epochs was spent; if the gain matters, give it more",
            "callback": "a callback ended it",
            "interrupted": "it was interrupted",
        }
        gain = (
            f", the last changing the bound by {self.last_gain:+.3g} nats ({self.relative_gain:+.1e} of it)"
        )
        noise = "" if self.exact else "; passes that train networks or sample rows rise and fall by chance"
        ending = ends.get(self.ended_by, self.ended_by)
        return f"{self.passes} passes{gain if self.passes > 1 else ''}: {ending}{noise}"


def convergence(fit: Fit) -> Convergence:
    """What the history of a fit says of how it ended; printed, a sentence.

    The last gain is that of the objective in which learning ended: after training networks that is the settling
    sweeps. A bound at rest is a local optimum: :func:`restarts` says whether there are others. Raises
    :class:`SpecError` for a fit without a history, as after ``remove_view``.
    """
    history = fit.history
    if not len(history):
        raise SpecError(f"convergence: the fit has no history ({fit.ended_by}); refine it on data first")
    bounds = history["elbo"].to_numpy(float)
    gain = bounds[-1] - bounds[-2] if len(bounds) > 1 else np.nan
    return Convergence(
        passes=len(history),
        ended_by=fit.ended_by,
        bound=bounds[-1],
        last_gain=float(gain),
        relative_gain=float(gain / abs(bounds[-1])),
        exact=history["stage"].iloc[-1] in EXACT,
    )
