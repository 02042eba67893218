"""Rotation of the factors (parameter expansion): escapes where coordinate updates creep.

g → R (g − c), W → W R⁻¹, b → b + W c changes no likelihood, only priors and entropies, which depend on K×K
statistics alone.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.statistics import Statistics

STEPS = 30


class Rotation(NamedTuple):
    """What :func:`rotate` did: the statistics in the new coordinates and the bound's gain in nats."""

    statistics: Statistics
    gain: float


@torch.no_grad()
def rotate(posterior: Posterior, statistics: Statistics) -> Rotation:
    """Centre, then rotate, the factors where that raises the bound; changes ``posterior`` in place.

    The relevances must be at their optimum, as they are after an update. With a weight prior that is not
    invariant in form, the factors are centred but not rotated.
    """
    size = posterior.factors.component_means.shape[1]
    change, gain = _centring(posterior, statistics)
    posterior.transform(change)
    statistics = statistics.rotated(change)
    matrix, rotation_gain = _best_rotation(posterior, statistics)
    if matrix is None:
        return Rotation(statistics, gain)
    change = torch.eye(size + 1).to(matrix)
    change[:-1, :-1] = matrix
    posterior.transform(change)
    return Rotation(statistics.rotated(change), gain + rotation_gain)


def _centring(posterior: Posterior, statistics: Statistics) -> tuple[Tensor, float]:
    """The shift c that maximises the bound exactly; subtracting the plain mean can lower it."""
    count, linear = posterior.factors.centring(statistics.factors)
    curvature = count * torch.eye(len(linear)).to(linear)
    for view in posterior.views:
        second = view.weights.second_moment
        curvature = curvature + view.bias_precision * second[:-1, :-1]
        linear = linear - view.bias_precision * second[:-1, -1]
    shift = torch.linalg.solve(curvature, linear)
    change = torch.eye(len(linear) + 1).to(linear)
    change[:-1, -1] = -shift
    return change, 0.5 * float(linear @ shift)


def _best_rotation(posterior: Posterior, statistics: Statistics) -> tuple[Tensor | None, float]:
    count, scatter = posterior.factors.rotation(statistics.factors)
    seconds = [view.weights.second_moment[:-1, :-1] for view in posterior.views]
    features = sum(view.n_features for view in posterior.views)
    eye = torch.eye(len(scatter)).to(scatter)

    def objective(matrix: Tensor) -> Tensor | None:
        inverse = torch.linalg.inv(matrix)
        value = (count - features) * torch.linalg.slogdet(matrix).logabsdet
        value = value - 0.5 * ((matrix @ scatter) * matrix).sum()
        for view, second in zip(posterior.views, seconds, strict=True):
            squares = ((inverse.mT @ second) * inverse.mT).sum(1)
            term = view.relevance.rotated_elbo(squares, view.n_features)
            if term is None:
                return None
            value = value + term
        return value

    here = objective(eye)
    if here is None:
        return None, 0.0
    best, best_value = None, float(here)
    for start in (eye, _whitening(scatter / count, seconds)):
        matrix = _ascend(objective, start, count)
        value = float(objective(matrix))
        if value > best_value:
            best, best_value = matrix, value
    return best, best_value - float(here)


def _whitening(covariance: Tensor, seconds: list[Tensor]) -> Tensor:
    """Whiten the factors, then make the weights' columns orthogonal: the optimum of a single view."""
    white = torch.linalg.inv(torch.linalg.cholesky(covariance))
    inverse = torch.linalg.inv(white)
    total = sum(inverse.mT @ second @ inverse / second.trace().clamp_min(1e-300) for second in seconds)
    return torch.linalg.eigh(total).eigenvectors.mT @ white


def _ascend(objective, start: Tensor, scale: float) -> Tensor:
    """L-BFGS from ``start``, in coordinates relative to it."""
    step = torch.eye(len(start)).to(start).requires_grad_()
    optimiser = torch.optim.LBFGS([step], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -objective(step @ start) / scale
        loss.backward()
        return loss

    with torch.enable_grad():
        optimiser.step(closure)
    matrix = step.detach() @ start
    return matrix if torch.isfinite(matrix).all() else start
