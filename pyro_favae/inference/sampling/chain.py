"""Chains of a blocked Gibbs sampler."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pyro_favae.errors import SpecError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.sampling.conditionals import (
    draw_factors,
    draw_weights,
    squared_residuals,
    view_sums,
)
from pyro_favae.inference.sampling.orbit import draw_change
from pyro_favae.inference.sampling.table import Globals, Table
from pyro_favae.models.priors import StandardNormal

Sites = Mapping[str, Tensor]  # (C, ...) by the model's names


class ViewChains:
    """The state of one view in every chain: weights with bias, noise, and what stands above the weights."""

    def __init__(self, posterior: ViewPosterior, start: Mapping[str, Tensor]) -> None:
        """start: values of the view's sites, (C, ...)."""
        name, self.posterior = posterior.name, posterior
        own = {
            site.removeprefix(f"{name}."): value
            for site, value in start.items()
            if site.startswith(f"{name}.")
        }
        self.weights = torch.cat([own.pop("weights"), own.pop("bias")[..., None]], -1)  # (C, D, L)
        self.noise = own.pop("noise_precision", posterior.noise.mean).reshape(-1, len(posterior.noise.mean))
        self.noise = self.noise.expand(len(self.weights), -1)  # (C, 1 or D)
        self.above: Sites = own

    @property
    def prior_precision(self) -> Tensor:
        """Of weights and bias, (C, 1 or D, L)."""
        precision = self.posterior.relevance.given_precision(self.above)
        precision = precision.expand(len(self.weights), *precision.shape[1:])
        bias = torch.full_like(precision[..., :1], self.posterior.bias_precision)
        return torch.cat([precision, bias], -1)

    def sweep(self, view: Table, factors: Tensor) -> None:
        """What stands above the weights, the weights, and the noise, each given all the rest."""
        sums = view_sums(view, factors)
        self.above = self.posterior.relevance.redraw(self.above, self.weights[..., :-1])
        self.weights = draw_weights(sums, self.prior_precision, self.noise)
        if self.posterior.noise.learnt:
            self.noise = self.posterior.noise.redraw(sums.n, squared_residuals(sums, self.weights))

    def sites(self) -> Sites:
        """By the model's names."""
        own = {
            "weights": self.weights[..., :-1],
            "bias": self.weights[..., -1],
            "noise_precision": self.noise,
        }
        own |= self.above
        return {f"{self.posterior.name}.{site}": value for site, value in own.items()}


class Chains:
    """C chains side by side, each sweep one exact Gibbs update of everything and a move along the orbit of scales."""

    def __init__(self, guide: FAVAEGuide, table: Table, start: Mapping[str, Tensor]) -> None:
        """start: values of all global sites, (C, ...) each. Raises :class:`SpecError` for what cannot be sampled."""
        prior = guide.declaration.factors
        if not isinstance(prior, StandardNormal):
            raise SpecError(
                f"sample: the factors' prior is priors.{type(prior).__name__}, expected priors.StandardNormal()"
            )
        self.table, self.shapes = table, {site: value.shape for site, value in start.items()}
        self.views = [ViewChains(posterior, start) for posterior in guide.posterior.views]
        self.factors = draw_factors(table, self.globals)
        for view in self.views:
            view.above = view.posterior.relevance.redraw(view.above, view.weights[..., :-1])

    @property
    def globals(self) -> Globals:
        """Weights, biases and noise."""
        return Globals.joined([(view.weights, view.noise) for view in self.views])

    def sweep(self) -> None:
        """One draw of everything, (C, ...)."""
        self.factors = draw_factors(self.table, self.globals)
        for view, rows in zip(self.views, self.table.views, strict=True):
            view.sweep(rows, self.factors)
        self._move()

    def _move(self) -> None:
        extended = torch.cat([self.factors, torch.ones_like(self.factors[..., :1])], -1)
        weights, precisions = [v.weights for v in self.views], [v.prior_precision for v in self.views]
        change = draw_change(extended.mT @ extended, weights, precisions, self.table.n, sum(self.table.sizes))
        self.factors = (extended @ change.mT)[..., :-1]
        for view in self.views:
            view.weights = torch.linalg.solve(change, view.weights, left=False)

    def sites(self) -> Sites:
        """The present values of all global sites."""
        values = {site: value for view in self.views for site, value in view.sites().items()}
        return {site: values[site].reshape(shape) for site, shape in self.shapes.items()}
