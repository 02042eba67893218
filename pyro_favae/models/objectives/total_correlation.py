"""The β-TCVAE."""

from dataclasses import dataclass

from pyro_favae.models.declaration import require_not_negative
from pyro_favae.models.objectives.base import Objective


@dataclass(frozen=True)
class TotalCorrelation(Objective):
    """The total correlation of the aggregate posterior counts β times, all else of the KL term once (β-TCVAE).

    L = E[log p(x | z)] − I_q(z; x) − β KL( q(z) ‖ Π_h q(z_h) ) − Σ_h KL( q(z_h) ‖ p(z_h) ), which is the plain bound
    minus (β − 1) times the total correlation. q(z) is estimated from the minibatch with stratified weights: a row's
    own posterior has its share 1/N, the others of the batch stand for the rest. Chen, Li, Grosse and Duvenaud,
    *Isolating sources of disentanglement in variational autoencoders* (2018), Eqs. 2 and 4, Appendix C.2. The paper's
    minibatch-weighted estimate is the same up to the weights, with a bias that these do not have.

    beta: not the view's ``beta``, which tempers the likelihood and stays 1 for the paper's model.
    """

    group = "objectives"
    beta: float = 6.0

    def __post_init__(self) -> None:
        require_not_negative("objectives.TotalCorrelation", beta=self.beta)
