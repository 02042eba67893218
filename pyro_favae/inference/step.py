"""One gradient step of the encoders and decoders on the bound given its closed forms, with reparametrised latents.

With the factors integrated out, a view's latents have the prior that the *other* views and the global posterior give
them. Because the rows' q(g) is optimal, the gradient with it held fixed is that of the profiled bound (FA-VAE paper,
Eq. 10, with q(g | z) in place of q(g)). Pyro estimates it from the model conditioned on its closed forms, divergences
analytic. Nothing in a step waits for the device.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import cast

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from torch import Tensor

from pyro_favae.errors import SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.mean_field import mean_field_terms
from pyro_favae.inference.objectives import LatentBatch, ObjectiveTerm, objective_term
from pyro_favae.inference.processes import ALONE, Processes
from pyro_favae.inference.teaching import drawn_from, lesson, whole
from pyro_favae.inference.views.vae import EncodedRows
from pyro_favae.inference.watch import require

#: where Adam updates all parameters at once
FUSED = ("cpu", "cuda")

LatentPrior = Callable[[EncodedRows], dist.TorchDistribution]


def trainable_parameters(guide: FAVAEGuide, names: Sequence[str]) -> list[Tensor]:
    """What gradient steps move of some views: encoders, decoders and likelihoods."""
    modules = [module for name in names for module in (guide.inference(name), guide.model.emission(name))]
    return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]


def _running_moments(guide: FAVAEGuide, name: str) -> list[Tensor]:
    """What a view's networks keep of the batches they have seen."""
    modules = (guide.inference(name), guide.decoder(name).decoder)
    return [buffer for module in modules for buffer in module.buffers() if buffer.is_floating_point()]


class NetworkStep:
    """Runs the optimiser on the networks of some encoder views."""

    def __init__(
        self,
        guide: FAVAEGuide,
        names: Sequence[str],
        learning_rate: float,
        total_steps: int,
        processes: Processes = ALONE,
    ) -> None:
        self.guide, self.processes = guide, processes
        parameters = trainable_parameters(guide, names)
        fused = guide.device.type in FUSED and all(parameter.is_floating_point() for parameter in parameters)
        self.optimiser = torch.optim.Adam(parameters, lr=learning_rate, fused=fused)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, max(1, total_steps), eta_min=learning_rate / 20
        )
        self.terms = {name: self._term(name) for name in names}

    def _term(self, name: str) -> ObjectiveTerm:
        view = self.guide.decoder_view(name)
        term = objective_term(view.objective, view.latent_dim, self.guide.model.n_rows, self.guide.device)
        if self.processes.count > 1 and term.state_dict():
            raise SpecError(
                f"view {name!r}: its objective {type(view.objective).__name__} learns networks of its own, which "
                f"{self.processes.count} processes do not share; train in one process, or take another objective"
            )
        return term

    def __call__(
        self,
        data: Mapping[str, Tensor],
        views: Mapping[str, EncodedRows],
        prior_of: LatentPrior,
        taught: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Step on a batch; leaves each view's expected log likelihood in its rows.

        prior_of: returns the latents' prior, one for each row that has a view, given the view. taught: by
        view, which of the rows, (rows,) booleans, the other views teach; see :mod:`pyro_favae.inference.teaching`.
        """
        present = [name for name in self.terms if views[name].observed.count]
        self.optimiser.zero_grad()
        if present:
            taught = taught or {}
            losses = (
                self.loss(name, data[name], views[name], prior_of, taught.get(name)) for name in present
            )
            reduce(torch.add, losses).backward()
        somewhere = present
        if self.processes.count > 1:
            somewhere = self._shared({name: float(views[name].observed.count) for name in self.terms})
        if not somewhere:
            return
        self.optimiser.step()
        self.schedule.step()
        for name in present:
            self.terms[name].learn(cast(Tensor, views[name].draws))

    @torch.no_grad()
    def _shared(self, rows: Mapping[str, float]) -> list[str]:
        """Average gradients and running moments over the rows of all processes, as if one had seen them all.

        rows: how many of this process have each view. Returns the views that any has seen.
        """
        groups, parameters = [], {}
        for name, count in rows.items():
            parameters[name] = trainable_parameters(self.guide, [name])
            for parameter in parameters[name]:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [cast(Tensor, parameter.grad) for parameter in parameters[name]]
            groups.append(([*gradients, *_running_moments(self.guide, name)], count))
        totals = dict(zip(rows, self.processes.average(groups), strict=True))
        for name, total in totals.items():
            if not total:  # the optimiser must not move them either
                for parameter in parameters[name]:
                    parameter.grad = None
        return [name for name, total in totals.items() if total]

    def state_dict(self) -> dict:
        """What the next step depends on besides the networks."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "objectives": {name: term.state_dict() for name, term in self.terms.items()},
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        for name, term in self.terms.items():
            term.load_state_dict(state["objectives"][name])

    def loss(
        self,
        name: str,
        data: Tensor,
        view: EncodedRows,
        prior_of: LatentPrior,
        taught: Tensor | None = None,
    ) -> Tensor:
        """Minus the view's part of the bound for a row, in nats, and what its objective adds.

        The likelihood is tempered by 1/β, so that an objective's −E log p + β KL + penalty is here divided by β.
        """
        mean, variance = view.encoded
        beta, emission = self.guide.decoder_view(name).beta, self.guide.decoder(name)
        encoded = dist.Normal(mean, variance.sqrt(), validate_args=False).to_event(1)
        prior, observed = prior_of(view), view.observed.of_rows(data)
        source: dist.TorchDistribution = encoded
        taught_more = mean.new_zeros(())
        if taught is not None:
            prior = whole(prior, mean)
            linked = view.view.weights.weights.any(1)  # to factors of which the other views know something
            source = drawn_from(encoded, prior, view.observed.of_rows(taught)[:, None] & linked)
            taught_more = lesson(encoded, source, prior)

        def model() -> None:
            latents = pyro.sample(f"{name}.latents", prior)
            with poutine.scale(scale=1 / beta):
                emission.sample_data(name, latents, observed, view.entries)

        def guide() -> None:
            pyro.sample(f"{name}.latents", source)

        tempered, divergence, trace = mean_field_terms(model, guide)
        draws = cast(Tensor, trace.nodes[f"{name}.latents"]["value"])
        view.log_likelihood, view.draws = (beta * tempered.detach()).to(torch.float64), draws.detach()
        penalty = self.terms[name].penalty(LatentBatch(draws, mean, variance))
        loss = (divergence + taught_more - tempered) / len(mean) + penalty / beta
        self._require_finite(name, loss.detach())
        return loss

    def _require_finite(self, name: str, loss: Tensor) -> None:
        """Stop before the posterior is touched."""
        step = self.schedule.last_epoch
        require(
            f"view {name!r}",
            ~torch.isfinite(loss),
            lambda: torch.full((), step, device=loss.device),
            lambda step: (
                f"view {name!r}: its networks gave values that are not finite at step {int(step)}; "
                "they diverged: lower learning_rate or raise the decoder's scale"
            ),
        )
