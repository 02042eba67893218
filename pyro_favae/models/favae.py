"""The whole hierarchy on one page: plates and sites of FA-VAE."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import cast

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.errors import SpecError, SpecWarning, shown
from pyro_favae.models.declaration import Declaration, require_count, require_positive
from pyro_favae.models.describe import as_lines, model_table
from pyro_favae.models.priors import ARD, FactorPrior, Gamma, NoisePrior, StandardNormal, WeightPrior
from pyro_favae.models.views import Emission, View


@dataclass(frozen=True)
class FAVAE(Declaration):
    """Declares a model: named views, the number K of shared factors, and the priors.

    weights and noise hold for every view that does not declare its own. Nothing trained is kept here.
    Raises :class:`SpecError` for a contradiction, and warns (:class:`SpecWarning`) of more factors than the views
    have latent dimensions.

    >>> from pyro_favae import FAVAE, priors, views
    >>> FAVAE({"spectrum": views.Real(600, weights=priors.FeatureARD()), "label": views.Categorical(3)}, n_factors=5)
    FAVAE(
        views={
            'spectrum': views.Real(dim=600, weights=priors.FeatureARD()),
            'label': views.Categorical(classes=3),
        },
        n_factors=5,
    )
    """

    group = "models"
    views: Mapping[str, View]
    n_factors: int
    weights: WeightPrior = field(default_factory=ARD)
    noise: NoisePrior = field(default_factory=Gamma)
    factors: FactorPrior = field(default_factory=StandardNormal)
    bias_precision: float = 1e-3

    def __post_init__(self) -> None:
        if not isinstance(self.views, Mapping) or not self.views:
            raise SpecError(
                f"FAVAE: views is {shown(self.views)}, expected a mapping of at least one name to a view"
            )
        for name, view in self.views.items():
            if not isinstance(name, str) or not name:
                raise SpecError(f"FAVAE: view name {shown(name)} is not a non-empty string")
            if not isinstance(view, View):
                raise SpecError(f"view {name!r} is a {type(view).__name__}, expected one of fv.views")
        object.__setattr__(self, "views", dict(self.views))
        require_count("FAVAE", n_factors=self.n_factors)
        require_positive("FAVAE", bias_precision=self.bias_precision)
        kinds = {"weights": WeightPrior, "noise": NoisePrior, "factors": FactorPrior}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise SpecError(
                    f"FAVAE: {name} is {shown(getattr(self, name))}, expected a {kind.__name__} prior"
                )
        for name, view in self.views.items():
            self.noise_of(name).check(name, view.latent_dim)
        if self.factors.column in self.views:
            raise SpecError(
                f"FAVAE: {self.factors.column!r} is the name of a view and the column of the factors' groups; "
                "give the groups another column"
            )
        size = sum(view.latent_dim for view in self.views.values())
        if self.n_factors > size:
            warnings.warn(
                f"FAVAE: {self.n_factors} factors for {size} latent dimensions of all views together; what there is "
                f"to share fits in {size}, and the others stay idle",
                SpecWarning,
                stacklevel=3,
            )

    def __hash__(self) -> int:
        own = [getattr(self, field.name) for field in fields(self) if field.name != "views"]
        return hash((frozenset(self.views.items()), *own))

    def __repr__(self) -> str:
        return as_lines(self)

    def _repr_html_(self) -> str:
        return model_table(self)

    def weights_of(self, name: str) -> WeightPrior:
        """The weight prior that holds for a view."""
        return self.views[name].weights or self.weights

    def noise_of(self, name: str) -> NoisePrior:
        """The noise prior that holds for a view."""
        return self.views[name].noise or self.noise


class FAVAEModel(nn.Module):
    """The Pyro model p: a callable over data, with the decoders it learns.

    Sites, for each view: ``relevance`` (K,), ``weights`` (D, K), ``bias`` (D,), ``noise_precision`` () or
    (D,), ``latents`` (rows, D) where the view has any, ``data``; for all: ``factors`` (rows, K) and what its
    prior adds. A view's sites are prefixed with its name and a dot. The plate ``rows`` has the size of the
    data set, so a smaller batch is scaled up.
    """

    _anchor: Tensor  # says on which device the model is

    def __init__(self, declaration: FAVAE, n_rows: int) -> None:
        super().__init__()
        self.declaration = declaration
        self.n_rows = n_rows
        self.emissions = nn.ModuleList(view.emission() for view in declaration.views.values())
        self.register_buffer("_anchor", torch.zeros((), dtype=torch.float64), persistent=False)

    def emission(self, name: str) -> Emission:
        """The generative half of one view."""
        return cast(Emission, self.emissions[list(self.declaration.views).index(name)])

    def forward(
        self,
        data: Mapping[str, Tensor] | None = None,
        observed: Mapping[str, Tensor] | None = None,
        rows: int | None = None,
    ) -> dict[str, Tensor]:
        """Run the generative story; returns each view's data.

        data: by view, (rows, *event); a view left out is drawn. Beside them, where the factors' prior groups
        rows, each row's position among the groups, (rows,), under the prior's column. observed: by view, booleans
        (rows,), true where the row has the view, or (rows, D) by entry; all true when left out. rows: how many to
        draw when there are no data.
        """
        data, observed = data or {}, observed or {}
        n = next((len(values) for values in data.values()), rows or self.n_rows)
        k, device = self.declaration.n_factors, self._anchor.device
        views = {name: self._sample_view(name) for name in self.declaration.views}
        prior = self.declaration.factors
        shared = prior.sample_globals(k, device)
        with pyro.plate("rows", self.n_rows, subsample=torch.arange(n, device=device), dim=-1):
            factors = prior.sample_rows(
                shared, k, device, None if prior.column is None else data.get(prior.column)
            )
            return {
                name: self._sample_rows(name, factors, *views[name], data.get(name), observed.get(name))
                for name in views
            }

    def _sample_view(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        model, device = self.declaration, self._anchor.device
        features = pyro.plate(f"{name}.features", model.views[name].latent_dim, dim=-1)
        weights = model.weights_of(name).sample(name, features, model.n_factors, device)
        with features:
            bias_prior = dist.Normal(self._anchor, model.bias_precision**-0.5)
            bias = pyro.sample(f"{name}.bias", bias_prior)
        unit = self.emission(name).unit
        noise_precision = model.noise_of(name).sample(f"{name}.noise_precision", features, unit, device)
        return weights, bias, noise_precision

    def _sample_rows(self, name, factors, weights, bias, noise_precision, data, observed) -> Tensor:
        mean = factors @ weights.mT + bias
        precision = noise_precision.clamp_min(torch.finfo(noise_precision.dtype).tiny)
        return self.emission(name).sample(name, mean, precision, data, entry_mask(observed, mean))


def entry_mask(observed: Tensor | None, rows: Tensor) -> Tensor:
    """Booleans (rows, 1), or (rows, D) where single entries are missing, from what a user gave for some rows."""
    if observed is None:
        return torch.ones(len(rows), 1, dtype=torch.bool, device=rows.device)
    return observed[:, None] if observed.dim() == 1 else observed
