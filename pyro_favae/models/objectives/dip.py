"""The DIP-VAE, in both forms."""

from dataclasses import dataclass
from typing import Literal

from pyro_favae.errors import SpecError
from pyro_favae.models.declaration import require_not_negative
from pyro_favae.models.objectives.base import Objective

FORMS = ("I", "II")


@dataclass(frozen=True)
class DIP(Objective):
    """A covariance of the latents is drawn to the identity.

    L = E[log p(x | z)] − KL( q(z | x) ‖ p(z) ) − λ_od Σ_{i≠j} C_ij² − λ_d Σ_i (C_ii − 1)², with C the covariance over
    a minibatch of the posterior means, Cov[μ(x)] (I), or of the aggregate posterior, Cov[μ(x)] + E[diag s(x)] (II).
    Kumar, Sattigeri and Balakrishnan, *Variational inference of disentangled latent concepts from unlabeled
    observations* (2018), Eqs. 6 and 7. An encoder view keeps the aggregate variances at 1, so that λ_d hardly matters
    for II.

    off_diagonal: λ_od. diagonal: λ_d; the paper takes ten times λ_od for I, and λ_od for II.
    """

    group = "objectives"
    off_diagonal: float = 10.0
    diagonal: float = 10.0
    form: Literal["I", "II"] = "II"

    def __post_init__(self) -> None:
        require_not_negative("objectives.DIP", off_diagonal=self.off_diagonal, diagonal=self.diagonal)
        if self.form not in FORMS:
            raise SpecError(f"objectives.DIP: form is {self.form!r}, expected 'I' or 'II'")
