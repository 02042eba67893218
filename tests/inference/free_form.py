"""The bound as a differentiable function of a free q of the rows, to check that a closed form is an optimum.

q(component) q(z) q(g | z, component) Π q(z | g, W) of logits, with every parameter given; the package's statistics
are rebuilt from them, so that autograd reaches each.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.rows import Rows
from pyro_favae.inference.statistics import FactorStatistics, Statistics, ViewStatistics
from tests.inference.problems import LOGISTIC, Problem

LOG_2PI = torch.tensor(2 * torch.pi, dtype=torch.float64).log()


@dataclass
class FreeRows:
    """Parameters of q of N rows; dictionaries are by the view's position.

    An entry's logit is z = slope · w̃ᵀ g̃ + intercept + noise of variance ``scale``.
    """

    logits: Tensor  # (N, C) of the responsibilities
    means: Tensor  # (N, C, K)
    covariance: Tensor  # (N, K, K) of g given encoders' latents and component
    gain: dict[int, Tensor] = field(default_factory=dict)  # (N, K, D): encoder's latents → mean of g
    mean: dict[int, Tensor] = field(default_factory=dict)  # (N, D) encoder
    variance: dict[int, Tensor] = field(default_factory=dict)  # (N, D) encoder
    slope: dict[int, Tensor] = field(default_factory=dict)  # (N, D) logits
    intercept: dict[int, Tensor] = field(default_factory=dict)  # (N, D)
    scale: dict[int, Tensor] = field(default_factory=dict)  # (N, D)
    xi: dict[int, Tensor] = field(default_factory=dict)  # (N, D) of the bound on their likelihood
    shift: dict[int, Tensor] = field(default_factory=dict)  # (N, 1) of the same, categorical

    def parameters(self) -> dict[str, Tensor]:
        """All of them by name."""
        named = {"logits": self.logits, "means": self.means, "covariance": self.covariance}
        for name in ("gain", "mean", "variance", "slope", "intercept", "scale", "xi", "shift"):
            named |= {f"{name}.{v}": value for v, value in getattr(self, name).items()}
        return named

    def replaced(self, values: dict[str, Tensor]) -> "FreeRows":
        """The same with other values."""
        answer = FreeRows(values["logits"], values["means"], values["covariance"])
        for name, value in values.items():
            if "." in name:
                kind, v = name.split(".")
                getattr(answer, kind)[int(v)] = value
        return answer


def read(problem: Problem, rows: Rows) -> FreeRows:
    """The package's q of the rows as free parameters."""
    free = FreeRows(
        rows.responsibilities.log(),
        rows.component_factors.clone(),
        rows.covariance.matrices[rows.covariance.index].clone(),
    )
    for v, kind in enumerate(problem.kinds):
        view, local = problem.posterior.views[v], rows.views[v]
        tau = view.noise.mean.expand(view.n_features)
        if kind == "encoder":
            follow = (free.covariance @ view.weights.weights.mT) * tau
            free.gain[v] = follow * problem.observed[v][..., None]
            free.mean[v] = problem.data[v].clone()
            free.variance[v] = problem.variance[v].where(problem.observed[v], 1.0)
        if kind in LOGISTIC:
            free.slope[v] = tau / local.total_precision
            free.intercept[v] = local.latent_mean(torch.zeros_like(local.data))
            free.scale[v] = 1 / local.total_precision
            free.xi[v] = local.xi.clone()
        if kind == "categorical":
            free.shift[v] = local.shift.clone()
    return free


def statistics(problem: Problem, free: FreeRows) -> Statistics:
    """The package's sums, from free parameters."""
    r = free.logits.softmax(1)
    g = (r[..., None] * free.means).sum(1)
    deviation = free.means - g[:, None]
    second = free.covariance + torch.einsum("nc,nck,ncl->nkl", r, deviation, deviation)
    second = second + torch.einsum("nk,nl->nkl", g, g)
    for v, gain in free.gain.items():
        spread = free.variance[v] * problem.observed[v]
        second = second + torch.einsum("nkd,nd,nld->nkl", gain, spread, gain)
    one = torch.ones_like(g[:, :1])
    tilde = torch.cat([g, one], 1)
    moments = torch.cat([torch.cat([second, g[..., None]], 2), tilde[:, None]], 1)
    views = []
    for v, kind in enumerate(problem.kinds):
        build = _logits if kind in LOGISTIC else _latents
        views.append(build(problem, free, v, tilde, moments))
    factors = FactorStatistics(
        n=r.sum(),
        g=g.sum(0),
        gg=second.sum(0),
        log_determinant=torch.linalg.slogdet(free.covariance).logabsdet.sum(),
        counts=r.sum(0),
        component_g=torch.einsum("nc,nck->ck", r, free.means),
        component_entropy=torch.special.entr(r).sum(),
        groups=_by_group(problem, moments),
    )
    return Statistics(tuple(views), factors)


def _by_group(problem: Problem, moments: Tensor) -> Tensor | None:
    """Σ <g̃ g̃ᵀ> of the rows of each group, (G, L, L)."""
    if problem.groups is None:
        return None
    groups = range(len(problem.declaration.factors.groups))
    return torch.stack([moments[problem.groups == c].sum(0) for c in groups])


def _latents(problem: Problem, free: FreeRows, v: int, g: Tensor, moments: Tensor) -> ViewStatistics:
    """Sums of a view whose latents are data or an encoder's."""
    mask = problem.observed[v].to(torch.float64)
    z, s = (free.mean[v], free.variance[v]) if v in free.mean else (problem.data[v], None)
    zg = torch.einsum("nd,nl->dl", mask * z, g)
    zz = (mask * z.square()).sum(0)
    entropy = torch.zeros((), dtype=torch.float64)
    if s is not None:
        gain = torch.einsum("nd,nkd->dk", mask * s, free.gain[v])
        zg = zg + torch.nn.functional.pad(gain, (0, 1))
        zz = zz + (mask * s).sum(0)
        entropy = 0.5 * (mask * (s.log() + 1 + LOG_2PI)).sum()
    gg = torch.einsum("nd,nkl->dkl", mask, moments)
    return ViewStatistics(mask.sum(0), gg, zg, zz, torch.zeros((), dtype=torch.float64), entropy)


def _logits(problem: Problem, free: FreeRows, v: int, g: Tensor, moments: Tensor) -> ViewStatistics:
    """Sums of a view of logits under a quadratic bound, constant + h z − ½ curvature z²."""
    data = problem.data[v]
    mask = problem.observed[v].to(torch.float64).expand_as(data)
    a, c, s, xi = free.slope[v], free.intercept[v], free.scale[v], free.xi[v]
    shift = free.shift.get(v, torch.zeros_like(data[:, :1]))
    curvature = torch.tanh(xi / 2) / (2 * xi)
    h = data - 0.5 + curvature * shift
    constant = torch.nn.functional.logsigmoid(xi) - xi / 2 + 0.5 * curvature * (xi.square() - shift.square())
    constant = constant + shift * (0.5 - 1 / data.shape[1])
    square = c.square() + s
    return ViewStatistics(
        n=mask.sum(0),
        gg=torch.einsum("nd,nkl->dkl", mask * (1 - a).square(), moments),
        zg=torch.einsum("nd,nl->dl", mask * (1 - a) * c, g),
        zz=(mask * square).sum(0),
        log_likelihood=(mask * (constant + h * c - 0.5 * curvature * square)).sum(),
        entropy=0.5 * (mask * (s.log() + 1 + LOG_2PI)).sum(),
        likelihood_gg=torch.einsum("nd,nkl->dkl", mask * curvature * a.square(), moments),
        likelihood_zg=torch.einsum("nd,nl->dl", mask * a * (h - curvature * c), g),
    )


def bound(posterior: Posterior, sums: Statistics) -> Tensor:
    """The bound as a tensor that autograd can follow; equals the sum of the package's named terms."""
    total = sum(sum(view.elbo(part).values()) for view, part in zip(posterior.views, sums.views, strict=True))
    total = total + sum(posterior.factors.elbo(sums.factors).values())
    size = sums.factors.g.shape[0]
    return total + 0.5 * (sums.factors.n * size * (1 + LOG_2PI) + sums.factors.log_determinant)


class Bound(nn.Module):
    """The bound as a function of the posterior's buffers, for torch.func.functional_call."""

    def __init__(self, posterior: Posterior) -> None:
        super().__init__()
        self.posterior = posterior

    def forward(self, sums: Statistics) -> Tensor:
        return bound(self.posterior, sums)


def bound_at(posterior: Posterior, sums: Statistics, buffers: dict[str, Tensor]) -> Tensor:
    """The bound with some of the posterior's buffers, named as in its state, replaced."""
    named = {f"posterior.{name}": value for name, value in buffers.items()}
    return torch.func.functional_call(Bound(posterior), named, (sums,))
