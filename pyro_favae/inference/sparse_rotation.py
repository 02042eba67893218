"""Rotation under priors to which the axes matter: towards those along which the weights are sparse.

A prior that looks at every weight on its own has no F in K×K statistics (:mod:`pyro_favae.inference.rotation`), yet
the same move exists: with A = R⁻¹, W → W A, S = Σ <v vᵀ> over n vectors of unit precision, and f_m the most that view
m's prior makes of the moments that W A has,

    F(A) = (Σ_m D_m − n) log |det A| − ½ tr(A⁻¹ S A⁻ᵀ) + Σ_m f_m(<W A>, <(W A)²>).

f_m takes an update of the prior's q. Its slope in <w_dk²> is −½ of the expected precision that this leaves, and that
in <w_dk> is the prior's linear term, where it has one. Groups of vectors with precisions of their own, at their
optimum, add −Σ_c shape_c Σ_k log(rate + ½ [A⁻¹ S_c A⁻ᵀ]_kk).
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from pyro_favae.inference.posterior import ViewPosterior
from pyro_favae.inference.priors.base import Quadratic, Scaled
from pyro_favae.inference.updates import WeightMoments

STEPS = 50  # of L-BFGS at most
LEAST_GAIN = 1e-2  # that a step must add, nats or as a share of what was gained: there is a next sweep
TOLERANCE = 1e-3  # nats that a rotation must gain


class Point(NamedTuple):
    """F at A, and its derivative in A."""

    value: float  # nats
    matrix: Tensor  # (K, K)    A
    gradient: Tensor  # (K, K)


def depends_on_axes(view: ViewPosterior) -> bool:
    """Whether a view's prior looks at every weight on its own."""
    return view.relevance.rotated_elbo(view.squares, view.n_features) is None


def rotate_sparse(views: Sequence[ViewPosterior], quadratic: Quadratic) -> tuple[np.ndarray, float]:
    """R = A⁻¹, (K, K), and the gain F(A) − F(I) in nats; I and 0 where there is nothing to gain.

    Leaves q of what stands above the views' weights at its optimum given the rotated weights.
    """
    objective = SparseObjective(views, quadratic)
    eye = torch.eye(len(quadratic.scatter)).to(quadratic.scatter)
    here = best = objective.at(eye)

    def fall(flat: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best
        point = objective.at(torch.as_tensor(flat).to(eye).reshape(eye.shape))
        best = max(best, point, key=lambda seen: seen.value)
        return here.value - point.value, -point.gradient.cpu().numpy().ravel()

    options = {"maxiter": STEPS, "maxcor": STEPS, "ftol": LEAST_GAIN}
    minimize(fall, eye.cpu().numpy().ravel(), jac=True, method="L-BFGS-B", options=options)
    gain = best.value - here.value
    if not TOLERANCE <= gain < np.inf:
        return eye.cpu().numpy(), 0.0
    objective.settle(best.matrix)
    return torch.linalg.inv(best.matrix).cpu().numpy(), gain


class SparseObjective:
    """F; every evaluation updates the priors' q from where they stood at first: a function of A alone."""

    def __init__(self, views: Sequence[ViewPosterior], quadratic: Quadratic) -> None:
        self.views = views
        self.states = [deepcopy(view.relevance.state_dict()) for view in views]
        self.trials = [deepcopy(view.relevance) for view in views]
        self.scatter, self.scaled = quadratic.scatter, quadratic.scaled or Scaled.none(quadratic.scatter)
        self.surplus = quadratic.count - sum(view.n_features for view in views)

    def at(self, matrix: Tensor) -> Point:
        """The point A; of value −∞ where A, as a line search may try it, is singular."""
        inverse, failed = torch.linalg.inv_ex(matrix)
        if failed or not torch.isfinite(inverse).all():
            return Point(-np.inf, matrix, torch.zeros_like(matrix))
        matrix = matrix.requires_grad_()
        with torch.enable_grad():
            half = torch.linalg.inv(matrix)
            value = -self.surplus * torch.linalg.slogdet(matrix).logabsdet
            value = value - 0.5 * ((half @ self.scatter) * half).sum()
            groups = ((half @ self.scaled.scatters) * half).sum(-1)  # (G, K)
            value = value - (self.scaled.shapes[:, None] * (self.scaled.rate + groups / 2).log()).sum()
            total = value.item()
            for view, trial, state in zip(self.views, self.trials, self.states, strict=True):
                moments = rotated_moments(view, matrix)
                given = WeightMoments(*(part.detach() for part in moments))
                trial.load_state_dict(state)
                trial.update(given)
                total += trial.elbo(given).item()
                value = value - 0.5 * (trial.precision * moments.second).sum()
                if trial.shift is not None:
                    value = value + (trial.shift * moments.mean).sum()
        (gradient,) = torch.autograd.grad(value, matrix)
        return Point(total if np.isfinite(total) else -np.inf, matrix.detach(), gradient)

    def settle(self, matrix: Tensor) -> None:
        """Take on the priors' q that belong to A."""
        self.at(matrix)
        for view, trial in zip(self.views, self.trials, strict=True):
            view.relevance.load_state_dict(trial.state_dict())


def rotated_moments(view: ViewPosterior, matrix: Tensor) -> WeightMoments:
    """Moments of W A, each (D, K)."""
    mean, covariance = view.weights
    variance = ((covariance[:, :-1, :-1] @ matrix) * matrix).sum(1)
    return WeightMoments(mean[:, :-1] @ matrix, variance.expand(len(mean), -1))
