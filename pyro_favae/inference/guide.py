"""The Pyro guide: closed-form posteriors in buffers, encoders for the latents."""

from collections.abc import Mapping, Sequence
from typing import cast

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

from pyro_favae.data.observed import Observed
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.row_inference import infer_rows
from pyro_favae.inference.rows import Rows, ViewRows
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.views import ViewInference, view_inference
from pyro_favae.inference.views.vae import EncoderInference
from pyro_favae.models.favae import FAVAEModel, entry_mask
from pyro_favae.models.views.decoder import DecoderEmission, DecoderView

#: local steps of a binary view: in a minibatch, and in an exact sweep or where the result is read off
LEARNING_STEPS, READING_STEPS = 3, 100
#: largest relative change of ξ at which they end; the bound is off by its square
LEARNING_TOLERANCE, READING_TOLERANCE = 1e-4, 1e-6


class FAVAEGuide(nn.Module):
    """q: a callable over data with the sites of :class:`FAVAEModel` that are not data.

    ``posterior`` holds the global closed forms; each view's inference holds its encoder. The optimiser sees
    the encoders alone.
    """

    inferences: Sequence[ViewInference]  # a module list

    def __init__(self, model: FAVAEModel) -> None:
        super().__init__()
        self.declaration = model.declaration
        self.posterior = Posterior(model.declaration)
        inferences = nn.ModuleList(view_inference(view) for view in model.declaration.views.values())
        self.inferences = cast(Sequence[ViewInference], inferences)
        self._model = (model,)  # in a tuple: the decoders are the model's, not this module's

    @property
    def model(self) -> FAVAEModel:
        """The generative model this guide is for."""
        return self._model[0]

    @property
    def device(self) -> torch.device:
        """Where the posterior is, and data must be."""
        return self.posterior.factors.component_means.device

    @property
    def names(self) -> tuple[str, ...]:
        """The views' names, in order."""
        return self.posterior.names

    def train(self, mode: bool = True) -> "FAVAEGuide":
        """Set the mode of encoders and decoders alike: networks of the user's own may differ between the two."""
        self.model.train(mode)
        return super().train(mode)

    def inference(self, name: str) -> ViewInference:
        """The inference half of one view."""
        return self.inferences[self.names.index(name)]

    def encoder(self, name: str) -> EncoderInference:
        """That of a view whose networks are trained by gradient."""
        return cast(EncoderInference, self.inference(name))

    def decoder(self, name: str) -> DecoderEmission:
        """The generative half of such a view."""
        return cast(DecoderEmission, self.model.emission(name))

    def decoder_view(self, name: str) -> DecoderView:
        """The declaration of such a view."""
        return cast(DecoderView, self.declaration.views[name])

    def snapshot(self) -> Snapshot:
        """What rows need of the posterior as it is now; take one for a pass, it does not follow updates."""
        return Snapshot(self.posterior)

    def view_rows(
        self,
        data: Mapping[str, Tensor],
        observed: Mapping[str, Tensor | Observed] | None = None,
        *,
        snapshot: Snapshot | None = None,
        start: bool = False,
    ) -> dict[str, ViewRows]:
        """What each given view says about a batch; gradients flow into ``encoded`` of encoder views.

        observed: by view, booleans (rows,), (rows, 1) or (rows, D); all true when left out.
        """
        snapshot = snapshot or self.snapshot()
        views = {}
        for name, values in data.items():
            seen = _observed((observed or {}).get(name), values)
            inference = self.inference(name)
            build = inference.start if start else inference.rows
            views[name] = build(values, seen, snapshot.views[name], self.model.emission(name))
        return views

    def infer(
        self,
        views: Mapping[str, ViewRows],
        n: int,
        *,
        snapshot: Snapshot | None = None,
        iterations: int = READING_STEPS,
        tolerance: float = READING_TOLERANCE,
        groups: Tensor | None = None,
        low_rank: bool = False,
    ) -> Rows:
        """q of n rows given what the views say; with no views, the prior.

        iterations, tolerance: of the local steps of binary and categorical views, relative to their bound's ξ.
        groups: positions in the factors' prior's groups, (rows,); None where they are not known.
        low_rank: whether covariances may leave out what makes next to no difference to the bound, for speed.
        """
        return infer_rows(
            snapshot or self.snapshot(),
            list(views.values()),
            n,
            iterations=iterations,
            tolerance=tolerance,
            groups=groups,
            low_rank=low_rank,
        )

    def forward(
        self,
        data: Mapping[str, Tensor] | None = None,
        observed: Mapping[str, Tensor] | None = None,
        rows: int | None = None,
    ) -> None:
        """Emit the guide's sites; arguments as in :meth:`FAVAEModel.forward`."""
        data, observed = data or {}, observed or {}
        n = next((len(values) for values in data.values()), rows or self.model.n_rows)
        column, snapshot = self.declaration.factors.column, self.snapshot()
        given = {name: values for name, values in data.items() if name != column}
        views = self.view_rows(given, observed, snapshot=snapshot)
        groups = None if column is None else data.get(column)
        local = self.infer(views, n, snapshot=snapshot, groups=groups)
        self.sample_rows(views, local, self.posterior.sample())

    def sample_rows(
        self, views: Mapping[str, ViewRows], local: Rows, drawn: Mapping[str, tuple[Tensor, Tensor]]
    ) -> None:
        """Emit the sites of some rows inside their plate, given each view's drawn weights and bias.

        views, local: from :meth:`view_rows` and :meth:`infer`, which do not depend on what was drawn.
        """
        subsample = torch.arange(len(local.responsibilities), device=local.responsibilities.device)
        with pyro.plate("rows", self.model.n_rows, subsample=subsample, dim=-1):
            self._sample_sites(views, local, drawn)

    def _sample_sites(self, views: Mapping[str, ViewRows], local: Rows, drawn: Mapping) -> None:
        component = self.posterior.factors.sample_component(local.responsibilities)
        if component is None:
            mean = local.component_factors[:, 0]
        else:
            mean = local.component_factors[torch.arange(len(component)), component]
        for name, rows in views.items():
            deviation = self.inference(name).sample_before(name, rows)
            if deviation is not None:
                gain = local.covariance.of_rows(local.gain(rows))
                mean = mean + (gain @ deviation[..., None])[..., 0]
        covariance = local.covariance.of_rows(local.covariance.matrices)
        factors = pyro.sample("factors", dist.MultivariateNormal(mean, covariance))
        for name, rows in views.items():
            weights, bias = drawn[name]
            self.inference(name).sample_after(name, rows, factors @ weights.mT + bias)


def _observed(observed: Tensor | Observed | None, values: Tensor) -> Observed:
    """What is observed of values (rows, ...), from what was said of them."""
    if isinstance(observed, Observed):
        return observed
    if observed is None:
        return Observed(torch.ones(len(values), 1, dtype=torch.bool), values.device)
    return Observed.of(entry_mask(observed, values))
