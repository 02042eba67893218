"""Updates of the global posterior from the statistics of rows."""

from collections.abc import Collection

from pyro_favae.inference.elbo import elbo_terms
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.rotation import rotate
from pyro_favae.inference.statistics import Statistics


class GlobalUpdates:
    """Changes a posterior in place: all of it, or that of some views alone, in factors that then stay as they are."""

    def __init__(self, posterior: Posterior, learnt: Collection[str] | None) -> None:
        """learnt: names of views, None for everything."""
        self.posterior, self.learnt = posterior, learnt

    def update(self, statistics: Statistics, moment: str) -> None:
        """One round of closed forms; moment: words for errors, such as ``"in sweep 3"``.

        Raises :class:`NumericalError`, with the posterior as it was, for statistics that are not finite.
        """
        statistics.require_finite(self.posterior.names, moment)
        self.posterior.update(statistics, self.learnt)

    def update_and_rotate(self, statistics: Statistics, moment: str) -> Statistics:
        """The same and a rotation; returns the statistics in what are now the factors' coordinates."""
        self.update(statistics, moment)
        return statistics if self.learnt is not None else rotate(self.posterior, statistics).statistics

    def bound(self, statistics: Statistics) -> float:
        """The bound that the statistics give with the posterior as it is, nats."""
        return sum(elbo_terms(self.posterior, statistics).values())
