"""The bound as a differentiable function of a free q of the rows, to check that a closed form is an optimum.

q(component) q(z) q(g | z, component) Π q(z_binary | g) with every parameter given; the package's statistics are
rebuilt from them, so that autograd reaches each.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pyro_favae.inference.bounds import jaakkola_bound
from pyro_favae.inference.posterior import Posterior
from pyro_favae.inference.rows import Rows
from pyro_favae.inference.statistics import FactorStatistics, Statistics, ViewStatistics
from tests.inference.problems import Problem

LOG_2PI = torch.tensor(2 * torch.pi, dtype=torch.float64).log()


@dataclass
class FreeRows:
    """Parameters of q of N rows; dictionaries are by the view's position."""

    logits: Tensor  # (N, C) of the responsibilities
    means: Tensor  # (N, C, K)
    covariance: Tensor  # (N, K, K) of g given uncertain latents and component
    gain: dict[int, Tensor] = field(default_factory=dict)  # (N, K, D): encoder's latents → mean of g
    mean: dict[int, Tensor] = field(default_factory=dict)  # (N, D) encoder
    variance: dict[int, Tensor] = field(default_factory=dict)  # (N, D) encoder
    slope: dict[int, Tensor] = field(default_factory=dict)  # (N, D, K) of binary z on g
    intercept: dict[int, Tensor] = field(default_factory=dict)  # (N, D)
    scale: dict[int, Tensor] = field(default_factory=dict)  # (N, D) variance of binary z given g
    xi: dict[int, Tensor] = field(default_factory=dict)  # (N, D)

    def parameters(self) -> dict[str, Tensor]:
        """All of them by name."""
        named = {"logits": self.logits, "means": self.means, "covariance": self.covariance}
        for name in ("gain", "mean", "variance", "slope", "intercept", "scale", "xi"):
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
        view = problem.posterior.views[v]
        tau = view.noise.mean.expand(view.n_features)
        weights = view.weights_mean[:, :-1]
        if kind == "encoder":
            follow = (free.covariance @ weights.mT) * tau
            free.gain[v] = follow * problem.observed[v][:, None, None]
            free.mean[v], free.variance[v] = problem.data[v].clone(), problem.variance[v].clone()
            free.variance[v] = free.variance[v].where(problem.observed[v][:, None], 1.0)
        if kind == "binary":
            total = rows.views[v].total_precision
            free.slope[v] = (tau / total)[..., None] * weights
            free.intercept[v] = (problem.data[v] - 0.5 + tau * view.weights_mean[:, -1]) / total
            free.scale[v] = 1 / total
            free.xi[v] = rows.views[v].xi.clone()
    return free


def statistics(problem: Problem, free: FreeRows) -> Statistics:
    """The package's sums, from free parameters; binary latents at the given ξ."""
    r = free.logits.softmax(1)
    g = (r[..., None] * free.means).sum(1)
    deviation = free.means - g[:, None]
    second = free.covariance + torch.einsum("nc,nck,ncl->nkl", r, deviation, deviation)
    second = second + torch.einsum("nk,nl->nkl", g, g)
    for v, gain in free.gain.items():
        spread = free.variance[v] * problem.observed[v][:, None]
        second = second + torch.einsum("nkd,nd,nld->nkl", gain, spread, gain)
    views = tuple(_view(problem, free, v, g, second) for v in range(len(problem.kinds)))
    factors = FactorStatistics(
        n=r.sum(),
        g=g.sum(0),
        gg=second.sum(0),
        log_determinant=torch.linalg.slogdet(free.covariance).logabsdet.sum(),
        counts=r.sum(0),
        component_g=torch.einsum("nc,nck->ck", r, free.means),
        component_entropy=torch.special.entr(r).sum(),
    )
    return Statistics(views, factors)


def _view(problem: Problem, free: FreeRows, v: int, g: Tensor, second: Tensor) -> ViewStatistics:
    mask = problem.observed[v].to(torch.float64)
    kind, data = problem.kinds[v], problem.data[v]
    zero = torch.zeros((), dtype=torch.float64)
    if kind == "real":
        z, zz, likelihood, entropy = data, data**2, zero, zero
        zg = z[..., None] * g[:, None]
    elif kind == "encoder":
        z, s = free.mean[v], free.variance[v]
        zz = z**2 + s
        zg = z[..., None] * g[:, None] + s[..., None] * free.gain[v].mT
        likelihood, entropy = zero, 0.5 * (mask[:, None] * (s.log() + 1 + LOG_2PI)).sum()
    else:
        a, c = free.slope[v], free.intercept[v]
        z = (a @ g[..., None])[..., 0] + c
        zg = a @ second + c[..., None] * g[:, None]
        zz = (a @ second * a).sum(-1) + 2 * c * (z - c) + c**2 + free.scale[v]
        likelihood = (mask[:, None] * jaakkola_bound(data, z, zz, free.xi[v])).sum()
        entropy = 0.5 * (mask[:, None] * (free.scale[v].log() + 1 + LOG_2PI)).sum()
    gg = torch.einsum("n,nkl->kl", mask, second)
    total = (mask[:, None] * g).sum(0)
    gg = torch.cat([torch.cat([gg, total[:, None]], 1), torch.cat([total, mask.sum()[None]])[None]])
    zg = torch.cat([torch.einsum("n,ndk->dk", mask, zg), (mask[:, None] * z).sum(0)[:, None]], 1)
    return ViewStatistics(mask.sum(), gg, zg, (mask[:, None] * zz).sum(0), likelihood, entropy)


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
