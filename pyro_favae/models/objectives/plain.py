"""The bound itself."""

from dataclasses import dataclass

from pyro_favae.models.objectives.base import Objective


@dataclass(frozen=True)
class Plain(Objective):
    """No extra term: the VAE, L = E_q[log p(x | z)] − KL(q(z | x) ‖ p(z)), and with the view's β the β-VAE.

    Kingma and Welling, *Auto-encoding variational Bayes* (2014), Eq. 3; Higgins et al., *beta-VAE* (2017), Eq. 4.
    """

    group = "objectives"
