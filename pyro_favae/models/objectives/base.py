"""What an objective of a view's networks declares."""

from abc import ABC

from pyro_favae.models.declaration import Declaration


class Objective(Declaration, ABC):
    """What gradient steps on a view's networks descend: −E_q[log p(x | z)] + β KL(q(z | x) ‖ p(z)) + an extra term.

    β is the view's. The extra term, in nats a row, is what a kind declares; it is of the networks' loss alone, the
    bounds that are reported stay without it.
    """
