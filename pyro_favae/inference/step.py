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

from pyro_favae.errors import NumericalError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.linear_algebra import cholesky
from pyro_favae.inference.objectives import LatentBatch, ObjectiveTerm, objective_term
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


def trainable_parameters(guide: FAVAEGuide, names: Sequence[str]) -> list[Tensor]:
    """What gradient steps move of some views: encoders, decoders and likelihoods."""
    modules = [module for name in names for module in (guide.inference(name), guide.model.emission(name))]
    return [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]


class NetworkStep:
    """Runs the optimiser on the networks of some encoder views."""

    def __init__(
        self, guide: FAVAEGuide, names: Sequence[str], learning_rate: float, total_steps: int
    ) -> None:
        self.guide = guide
        self.optimiser = torch.optim.Adam(trainable_parameters(guide, names), lr=learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimiser, max(1, total_steps), eta_min=learning_rate / 20
        )
        # one object a view: an ELBO remembers the plates of the model it first saw
        self.elbos = {name: TraceMeanField_ELBO(max_plate_nesting=1) for name in names}
        self.terms = {name: self._term(name) for name in names}

    def _term(self, name: str) -> ObjectiveTerm:
        view = self.guide.declaration.views[name]
        return objective_term(view.objective, view.latent_dim, self.guide.model.n_rows, self.guide.device)

    def __call__(
        self, data: Mapping[str, Tensor], views: Mapping[str, EncodedRows], prior_of: LatentPrior
    ) -> None:
        """Step on a batch; leaves each view's expected log likelihood in its rows.

        prior_of: returns the latents' prior, one for each row that has a view, given the view.
        """
        names = [name for name in self.elbos if views[name].mask.any()]
        if not names:
            return
        total = sum(self.loss(name, data[name], views[name], prior_of) for name in names)
        self.optimiser.zero_grad()
        total.backward()
        self.optimiser.step()
        self.schedule.step()
        for name in names:
            self.terms[name].learn(views[name].draws)

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

    def loss(self, name: str, data: Tensor, view: EncodedRows, prior_of: LatentPrior) -> Tensor:
        """Minus the view's part of the bound for a row, in nats, and what its objective adds.

        The likelihood is tempered by 1/β, so that an objective's −E log p + β KL + penalty is here divided by β.
        """
        mean, variance = view.encoded
        self._require_finite(name, torch.stack([mean.detach().sum(), variance.detach().sum()]))
        prior = prior_of(view)
        beta = self.guide.declaration.views[name].beta
        emission = self.guide.model.emission(name)
        encoded = dist.Normal(mean, variance.sqrt()).to_event(1)
        observed = data[view.mask[:, 0] > 0]
        drawn = []

        def model() -> None:
            with pyro.plate(f"{name}.rows", len(observed)):
                latents = pyro.sample(f"{name}.latents", prior)
                with poutine.scale(scale=1 / beta):
                    emission.sample_data(name, latents, observed, view.entries)

        def guide() -> None:
            with pyro.plate(f"{name}.rows", len(observed)):
                drawn.append(pyro.sample(f"{name}.latents", encoded))

        loss = self.elbos[name].differentiable_loss(model, guide)
        self._require_finite(name, loss.detach())
        with torch.no_grad():
            divergence = kl_divergence(encoded, prior).sum()
            view.log_likelihood = (beta * (divergence - loss)).to(torch.float64)
        view.draws = drawn[0].detach()
        penalty = self.terms[name].penalty(LatentBatch(drawn[0], mean, variance))
        self._require_finite(name, penalty.detach())
        return loss / len(observed) + penalty / beta

    def _require_finite(self, name: str, values: Tensor) -> None:
        """Stop before the posterior is touched."""
        if not torch.isfinite(values).all():
            raise NumericalError(
                f"view {name!r}: its networks gave values that are not finite at step {self.schedule.last_epoch}; "
                "they diverged: lower learning_rate or raise the decoder's scale"
            )
