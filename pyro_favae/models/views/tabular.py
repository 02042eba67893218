"""A table behind a VAE with fully connected networks."""

from dataclasses import dataclass, field

from torch import nn

from pyro_favae.models.declaration import counts_of
from pyro_favae.models.likelihoods import Gaussian, Likelihood
from pyro_favae.models.networks import Dense
from pyro_favae.models.objectives import Objective, Plain
from pyro_favae.models.priors import NoisePrior, WeightPrior
from pyro_favae.models.views.base import features_of, names_of, number_of
from pyro_favae.models.views.real import Standardise
from pyro_favae.models.views.standardised import StandardisedView


@dataclass(frozen=True)
class Tabular(StandardisedView):
    """x_nd ~ likelihood(decoder(z_n)_d), z_n ~ N(W g_n + b, 1/τ): data (rows, columns), q(z) from an encoder.

    columns: their number, or their names, by which a data frame's are picked. hidden: sizes of the encoder's hidden
    layers, ReLU between them; the decoder's are the reverse. likelihood: of each entry. standardise: as in
    :class:`StandardisedView`; densities and predictions are in the user's units whichever is chosen. beta: tempers
    the view's likelihood by 1/beta while learning. NaN marks missing entries: zeros for the encoder, which is also
    told which are observed, and no part of the likelihood. A row of NaN lacks the view. FA-VAE paper, Eqs. 7 and 8.
    """

    group = "views"
    columns: int | tuple[str, ...]
    latent_dim: int
    hidden: tuple[int, ...] = (128, 128)
    likelihood: Likelihood = field(default_factory=lambda: Gaussian(1.0, learn=True, link="identity"))
    standardise: Standardise | None = None
    beta: float = 1.0
    weights: WeightPrior | None = None
    noise: NoisePrior | None = None
    objective: Objective = field(default_factory=Plain)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "columns", features_of("views.Tabular", self.columns))
        object.__setattr__(self, "hidden", counts_of("views.Tabular", "hidden", self.hidden))

    @property
    def event_shape(self) -> tuple[int, ...]:
        return (number_of(self.columns),)

    @property
    def column_names(self) -> tuple[str, ...]:
        return names_of(self.columns)

    def encoder(self) -> nn.Module:
        return Dense(self.hidden).encoder(self.inputs_shape, self.latent_dim)

    def decoder(self) -> nn.Module:
        return Dense(self.hidden).decoder(self.event_shape, self.latent_dim, self.likelihood.outputs)
