"""One gradient step of the encoders and decoders, by Pyro's SVI on the model given its closed forms.

With the factors integrated out, a view's latents have the prior that the *other* views and the global
posterior give them: N(W̄ A⁻¹ a + b̄, W̄ A⁻¹ W̄ᵀ + 1/τ), A the factors' precision without this view's own W̄ᵀ τ W̄.
Because the rows' q(g) is optimal, the gradient with it held fixed is that of the profiled bound (FA-VAE
paper, Eq. 10, with q(g | z) in place of q(g)).
"""

from collections.abc import Callable, Mapping, Sequence

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer import TraceMeanField_ELBO
from torch import Tensor
from torch.distributions import kl_divergence

from pyro_favae.errors import NumericalError, SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.inference.objectives import LatentBatch, ObjectiveTerm, objective_term
from pyro_favae.inference.processes import ALONE, Processes
from pyro_favae.inference.rows import Rows, row_covariance
from pyro_favae.inference.snapshot import Snapshot
from pyro_favae.inference.views.vae import EncodedRows

LatentPrior = Callable[[EncodedRows], dist.TorchDistribution]


@torch.no_grad()
def prior_from_other_views(snapshot: Snapshot, rows: Rows, view: EncodedRows) -> dist.MultivariateNormal:
    """p(z | the row's other views) for the rows that have the view, (observed rows, D)."""
    q = view.view
    without = row_covariance(snapshot, rows, without=view)
    linear = sum(other.linear for other in rows.views) - view.mean @ q.scaled_weights
    linear = linear + (rows.responsibilities[:, None] @ snapshot.linear(rows.groups))[:, 0]
    linear = linear + q.weights.bias @ q.scaled_weights
    factors = without.times(linear[:, None])[:, 0]
    location = factors @ q.weights.weights.mT + q.weights.bias
    covariance = q.weights.weights @ without.matrices @ q.weights.weights.mT + torch.diag(1 / q.noise)
    root = cholesky(covariance, "latents")
    observed = view.mask[:, 0] > 0
    root = root[0] if len(root) == 1 else root[without.index[observed]]
    dtype = view.encoded[0].dtype
    return dist.MultivariateNormal(location[observed].to(dtype), scale_tril=root.to(dtype))


def drawn_from(
    encoded: dist.TorchDistribution, prior: dist.MultivariateNormal, taught: Tensor
) -> dist.MultivariateNormal:
    """What the decoder's latents are drawn from: the prior where they are taught, (rows, D) booleans, else q(z | x).

    With the prior p that the other views give, E_p log p(x | z) − KL(q ‖ p) stands in for the bound of such latents,
    and is one too: with p in the place of q the divergence is 0. Encoder and decoder, while neither knows anything,
    need not wait for each other. Latents that are taught must be independent of the rest under the prior.
    """
    deviation = torch.diag_embed(encoded.base_dist.scale)
    location = torch.where(taught, prior.loc, encoded.mean)
    root = torch.where(taught[:, :, None] & taught[:, None, :], prior.scale_tril, deviation)
    return dist.MultivariateNormal(location, scale_tril=root)


def trainable_parameters(guide: FAVAEGuide, names: Sequence[str]) -> list[Tensor]:
    """What gradient steps move of some views: encoders, decoders and likelihoods."""
    modules = [module for name in names for module in (guide.inference(name), guide.model.emission(name))]
    return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]


def _running_moments(guide: FAVAEGuide, name: str) -> list[Tensor]:
    """What a view's networks keep of the batches they have seen."""
    modules = (guide.inference(name), guide.model.emission(name).decoder)
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
        self.optimiser = torch.optim.Adam(trainable_parameters(guide, names), lr=learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, max(1, total_steps), eta_min=learning_rate / 20
        )
        # one object a view: an ELBO remembers the plates of the model it first saw
        self.elbos = {name: TraceMeanField_ELBO(max_plate_nesting=1) for name in names}
        self.terms = {name: self._term(name) for name in names}

    def _term(self, name: str) -> ObjectiveTerm:
        view = self.guide.declaration.views[name]
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
        view, which of the rows, (rows,) booleans, the other views teach, see :func:`drawn_from`.
        """
        present = [name for name in self.elbos if views[name].mask.any()]
        self.optimiser.zero_grad()
        if present:
            taught = taught or {}
            losses = [
                self.loss(name, data[name], views[name], prior_of, taught.get(name)) for name in present
            ]
            sum(losses).backward()
        somewhere = present
        if self.processes.count > 1:
            somewhere = self._shared({name: float(views[name].mask.sum()) for name in self.elbos})
        if not somewhere:
            return
        self.optimiser.step()
        self.schedule.step()
        for name in present:
            self.terms[name].learn(views[name].draws)

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
            gradients = [parameter.grad for parameter in parameters[name]]
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
        self._require_finite(name, torch.stack([mean.detach().sum(), variance.detach().sum()]))
        prior = prior_of(view)
        beta = self.guide.declaration.views[name].beta
        emission = self.guide.model.emission(name)
        encoded = dist.Normal(mean, variance.sqrt()).to_event(1)
        has = view.mask[:, 0] > 0
        observed, lesson = data[has], 0.0
        source = encoded
        if taught is not None:
            linked = view.view.weights.weights.any(1)  # to factors of which the other views know something
            source = drawn_from(encoded, prior, taught[has][:, None] & linked)
            lesson = (kl_divergence(encoded, prior) - kl_divergence(source, prior)).sum()
        drawn = []

        def model() -> None:
            with pyro.plate(f"{name}.rows", len(observed)):
                latents = pyro.sample(f"{name}.latents", prior)
                with poutine.scale(scale=1 / beta):
                    emission.sample_data(name, latents, observed, view.entries)

        def guide() -> None:
            with pyro.plate(f"{name}.rows", len(observed)):
                drawn.append(pyro.sample(f"{name}.latents", source))

        loss = self.elbos[name].differentiable_loss(model, guide)
        self._require_finite(name, loss.detach())
        with torch.no_grad():
            divergence = kl_divergence(source, prior).sum()
            view.log_likelihood = (beta * (divergence - loss)).to(torch.float64)
        view.draws = drawn[0].detach()
        penalty = self.terms[name].penalty(LatentBatch(drawn[0], mean, variance))
        self._require_finite(name, penalty.detach())
        return (loss + lesson) / len(observed) + penalty / beta

    def _require_finite(self, name: str, values: Tensor) -> None:
        """Stop before the posterior is touched."""
        if not torch.isfinite(values).all():
            raise NumericalError(
                f"view {name!r}: its networks gave values that are not finite at step {self.schedule.last_epoch}; "
                "they diverged: lower learning_rate or raise the decoder's scale"
            )
