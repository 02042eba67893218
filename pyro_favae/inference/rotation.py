"""Rotation of the factors (parameter expansion): escapes where coordinate updates creep.

For any invertible R, g → R (g − c), W → W R⁻¹, b → b + W c changes no likelihood, only priors and entropies, and
these through K×K statistics alone. With S = Σ <v vᵀ> over the n vectors of unit precision (the factors), and
T_m = Σ_d γ_d <w_d w_dᵀ> over the D_m features of view m, γ_d 1 unless the prior has a precision for each feature, the
bound is up to a constant

    F(R) = (n − Σ_m D_m) log |det R| − ½ tr(R S Rᵀ) + Σ_c h_c(diag(R S_c Rᵀ)) + Σ_m f_m(diag(R⁻ᵀ T_m R⁻¹)),

where f_m is what the weights' prior makes of their squares with the relevances at their optimum. Where rows fall into
groups with scales of their own, the factors of group c are not in S but in S_c, about the group's mean, and
h_c(x) = −a_c Σ_k log(b + ½ x_k) is the same of the scales, Gamma with shape a_c and rate b + ½ x_k.
"""

from functools import reduce
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor

from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.priors.base import Quadratic, Scaled
from pyro_favae.inference.sparse_rotation import depends_on_axes, rotate_sparse
from pyro_favae.inference.statistics import Statistics

STEPS = 30  # at most, each one evaluation of F
TOLERANCE = 1e-3  # nats that a step must promise and a rotation must gain
LARGEST_STEP = 0.2  # entry of E in R → (I + E) R
LEAST_CURVATURE = 0.005  # of n, taken in directions where F is flat or convex


class Rotation(NamedTuple):
    """What :func:`rotate` did: the statistics in the new coordinates and the bound's gain in nats."""

    statistics: Statistics
    gain: float


@torch.no_grad()
def rotate(posterior: Posterior, statistics: Statistics) -> Rotation:
    """Centre, then rotate, the factors where that raises the bound; changes ``posterior`` in place.

    Relevances and groups' scales must be at their optimum, as they are after an update. With a weight prior to which
    the axes matter, the rotation is that of :mod:`pyro_favae.inference.sparse_rotation`.
    """
    centring, gain = _centring(posterior, statistics)
    posterior.factors.transform(centring)
    quadratic = posterior.factors.rotation(statistics.factors.rotated(centring))
    if any(map(depends_on_axes, posterior.views)):
        matrix, rotation_gain = rotate_sparse(posterior.views, quadratic)
    else:
        seconds = [view.rotated_moment for view in posterior.views]
        matrix, rotation_gain = Objective(posterior, quadratic, seconds).best_rotation()
    rotation = torch.eye(len(centring)).to(centring)
    rotation[:-1, :-1] = torch.as_tensor(matrix)
    posterior.factors.transform(rotation)
    change = rotation @ centring
    for view in posterior.views:
        view.transform(change)
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


class Point(NamedTuple):
    """F at a rotation, and the statistics in its coordinates, of which the derivatives are made."""

    value: float  # nats; −∞ where F is not finite
    matrix: np.ndarray  # (K, K)     R
    scatter: np.ndarray  # (K, K)      R S Rᵀ
    groups: np.ndarray  # (G, K, K)    R S_c Rᵀ
    scales: np.ndarray  # (G, K)     −2 h_c', the scales' means
    seconds: np.ndarray  # (M, K, K)   R⁻ᵀ T_m R⁻¹
    precision: np.ndarray  # (M, K)  −2 f_m', the relevances' means


class Objective:
    """F in NumPy, wherever the posterior lives. Derivatives are those in E, where R → (I + E) R."""

    def __init__(self, posterior: Posterior, quadratic: Quadratic, seconds: list[Tensor]) -> None:
        self.views, self.count = posterior.views, quadratic.count
        self.surplus = quadratic.count - sum(view.n_features for view in posterior.views)
        self.scatter = quadratic.scatter.cpu().numpy()
        self.seconds = torch.stack(seconds).cpu().numpy()
        self.device = quadratic.scatter.device
        self.eye = np.eye(len(self.scatter))
        scaled = quadratic.scaled or Scaled.none(quadratic.scatter)
        self.groups, self.shapes = scaled.scatters.cpu().numpy(), scaled.shapes.cpu().numpy()[:, None]
        self.rate = scaled.rate

    def best_rotation(self) -> tuple[np.ndarray, float]:
        """R and F(R) − F(I), from the better of two starts; I where there is nothing to gain."""
        here = self.at(self.eye)
        try:
            best = self.ascend(max(here, self.at(self.whitening()), key=lambda point: point.value))
        except np.linalg.LinAlgError:  # singular statistics
            return self.eye, 0.0
        gain = float(best.value - here.value)
        return (best.matrix, gain) if TOLERANCE <= gain < np.inf else (self.eye, 0.0)

    def at(self, matrix: np.ndarray) -> Point:
        """The point R."""
        inverse = np.linalg.inv(matrix)
        scatter, groups = matrix @ self.scatter @ matrix.T, matrix @ self.groups @ matrix.T
        rates = self.rate + _diagonals(groups) / 2
        seconds = inverse.T @ self.seconds @ inverse
        squares = torch.tensor(_diagonals(seconds), device=self.device, requires_grad=True)
        with torch.enable_grad():
            pairs = zip(self.views, squares, strict=True)
            terms = [view.relevance.rotated_elbo(row, view.n_features) for view, row in pairs]
            total = reduce(torch.add, cast(list[Tensor], terms))  # None has sparse rotations
        (slopes,) = torch.autograd.grad(total, squares)
        value = self.surplus * np.linalg.slogdet(matrix).logabsdet - scatter.trace() / 2 + total.item()
        value = value - (self.shapes * np.log(rates)).sum()
        value = value if np.isfinite(value) else -np.inf
        precision = -2 * slopes.cpu().numpy()
        return Point(value, matrix, scatter, groups, self.shapes / rates, seconds, precision)

    def whitening(self) -> np.ndarray:
        """Whiten the factors, then make the weights' columns orthogonal: the optimum of a single view."""
        root = np.linalg.cholesky((self.scatter + self.groups.sum(0)) / self.count)
        total = sum(root.T @ second @ root / max(second.trace(), 1e-300) for second in self.seconds)
        return np.linalg.eigh(total).eigenvectors.T @ np.linalg.inv(root)

    def ascend(self, point: Point) -> Point:
        """Climb until a step promises next to nothing; a step that does not rise is halved."""
        length = 1.0
        for _ in range(STEPS):
            gradient = self.gradient(point)
            step = self.step(point, gradient)
            if (step * gradient).sum() / 2 < TOLERANCE:
                break
            trial = self.at((self.eye + length * step) @ point.matrix)
            if trial.value > point.value:
                point, length = trial, min(1.0, 2 * length)
            else:
                length /= 2
        return point

    def gradient(self, point: Point) -> np.ndarray:
        """(n − Σ_m D_m) I − S − Σ_c diag(λ_c) S_c + Σ_m T_m diag(α_m), in the point's coordinates."""
        pull = np.einsum("mkl,ml->kl", point.seconds, point.precision)
        push = point.scatter + np.einsum("ck,ckl->kl", point.scales, point.groups)
        return self.surplus * self.eye - push + pull

    def step(self, point: Point, gradient: np.ndarray) -> np.ndarray:
        """Newton's step with the Hessian that F has where S and all T_m are diagonal.

        It ties E_kl to E_lk alone, by −[[h_kl, c_kl], [c_kl, h_lk]] with
        h_kl = S_ll + Σ_c λ_ck S_cll + Σ_m α_ml T_mkk and c_kl = n − Σ_m (D_m − α_mk T_mkk − α_ml T_mll).
        Steps of a pair that are too long are shortened together. Along a factor's length scales follow, but for
        their prior's rate b: of their curvature a share b λ_ck / a_c is left.
        """
        scatter, squares = point.scatter.diagonal(), _diagonals(point.seconds)
        spreads = _diagonals(point.groups)
        along = scatter + (point.scales**2 * spreads * self.rate / self.shapes).sum(0)
        weighted = (point.precision * squares).sum(0)
        straight = scatter + point.scales.T @ spreads + squares.T @ point.precision
        cross = self.surplus + weighted[:, None] + weighted
        lowest = (straight + straight.T) / 2 - np.hypot((straight - straight.T) / 2, cross)
        straight = straight + np.maximum(LEAST_CURVATURE * self.count - lowest, 0)
        step = (straight.T * gradient - cross * gradient.T) / (straight * straight.T - cross**2)
        np.fill_diagonal(step, gradient.diagonal() / (2 * along))
        longest = np.maximum(abs(step), abs(step.T))
        return step / np.maximum(longest / LARGEST_STEP, 1)


def _diagonals(matrices: np.ndarray) -> np.ndarray:
    """(M, K) of (M, K, K)."""
    return np.einsum("mkk->mk", matrices)
