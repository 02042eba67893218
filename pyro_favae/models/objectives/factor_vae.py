"""The FactorVAE."""

from dataclasses import dataclass

from pyro_favae.models.declaration import counts_of, require_not_negative, require_positive
from pyro_favae.models.objectives.base import Objective


@dataclass(frozen=True)
class FactorVAE(Objective):
    """The total correlation of the aggregate posterior, told by a discriminator, is added γ times.

    L = E[log p(x | z)] − KL( q(z | x) ‖ p(z) ) − γ E_q(z)[ log D(z) − log(1 − D(z)) ], D(z) the probability that z is
    a draw of q(z) and not of Π_h q(z_h), whose draws are those of a minibatch with each dimension permuted over the
    rows. Kim and Mnih, *Disentangling by factorising* (2018), Eqs. 2 and 3, Algorithms 1 and 2, both steps on one
    minibatch.

    hidden: sizes of the discriminator's hidden layers, leaky ReLU between them; the paper has six of 1,000, which
    costs more than the networks of small images. learning_rate: of the discriminator's own Adam, with the paper's
    moments' decay of 0.5 and 0.9.
    """

    group = "objectives"
    gamma: float = 10.0
    hidden: tuple[int, ...] = (256, 256, 256)
    learning_rate: float = 1e-4

    def __post_init__(self) -> None:
        kind = "objectives.FactorVAE"
        require_not_negative(kind, gamma=self.gamma)
        require_positive(kind, learning_rate=self.learning_rate)
        object.__setattr__(self, "hidden", counts_of(kind, "hidden", self.hidden))
