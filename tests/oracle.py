"""A slow reference of the closed forms: NumPy float64, row by row, feature by feature, no batching.

It shares no code with the package. A row's q(g, z) is built as one joint Gaussian over the factors and all
binary latents and inverted as a whole; the bound is summed from its definition with every constant.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import digamma, gammaln

LOG_2PI = np.log(2 * np.pi)


@dataclass
class View:
    """One view's rows and global posterior; w̃ = [w, b] has L = K + 1 entries."""

    kind: str  # "real", "encoder" or "binary"
    observed: np.ndarray  # (N,) booleans
    data: np.ndarray  # (N, D): latents, encoder means, or 0 and 1
    mean: np.ndarray  # (D, L)
    covariance: np.ndarray  # (D, L, L)
    noise_shape: np.ndarray  # (D,), all equal where the precision is shared
    noise_rate: np.ndarray  # (D,)
    shared_noise: bool
    noise_prior: tuple[float, float]
    relevance_shape: np.ndarray  # (K,)
    relevance_rate: np.ndarray  # (K,)
    relevance_prior: tuple[float, float]
    bias_precision: float
    variance: np.ndarray | None = None  # (N, D), of an encoder
    xi: np.ndarray | None = None  # (N, D), of a binary view's bound while q was computed

    @property
    def tau(self) -> np.ndarray:
        return self.noise_shape / self.noise_rate

    @property
    def size(self) -> int:
        return len(self.mean)


@dataclass
class Factors:
    """The factors' prior; ``dirichlet`` is None for standard normal factors."""

    means: np.ndarray  # (C, K)
    covariances: np.ndarray  # (C, K, K)
    dirichlet: np.ndarray | None = None  # (C,)
    mean_precision: float = 1.0
    concentration: float = 1.0

    def log_proportion(self, c: int) -> float:
        if self.dirichlet is None:
            return 0.0
        return digamma(self.dirichlet[c]) - digamma(self.dirichlet.sum())

    def squared_norm(self, c: int) -> float:
        return self.means[c] @ self.means[c] + np.trace(self.covariances[c])


@dataclass
class Row:
    """q of one row."""

    responsibilities: np.ndarray  # (C,)
    component_means: np.ndarray  # (C, K)
    conditional: np.ndarray  # (K, K) Cov(g | uncertain latents, component)
    mean: np.ndarray  # (K,)
    covariance: np.ndarray  # (K, K) of g, everything integrated out
    latents: dict  # (view, feature) → (<z>, <z²>, <z g> (K,), entropy of q(z) or q(z | g))


def curvature(xi: float) -> float:
    return 0.125 if xi == 0 else np.tanh(xi / 2) / (4 * xi)


def row_posterior(views: list[View], factors: Factors, n: int) -> Row:
    """q of row n given the global posterior and the ξ of the binary views."""
    k = factors.means.shape[1]
    binary = [
        (v, d)
        for v, view in enumerate(views)
        if view.kind == "binary" and view.observed[n]
        for d in range(view.size)
    ]
    place = {key: k + i for i, key in enumerate(binary)}
    size = k + len(binary)
    precision = np.zeros((size, size))
    precision[:k, :k] = np.eye(k)
    linear = np.zeros(size)
    uncertain = []
    for v, view in enumerate(views):
        if not view.observed[n]:
            continue
        for d in range(view.size):
            tau, w, b = view.tau[d], view.mean[d, :k], view.mean[d, k]
            precision[:k, :k] += tau * (np.outer(w, w) + view.covariance[d, :k, :k])
            linear[:k] -= tau * (w * b + view.covariance[d, :k, k])
            if view.kind == "binary":
                j = place[v, d]
                precision[j, j] += tau + 2 * curvature(view.xi[n, d])
                precision[:k, j] -= tau * w
                precision[j, :k] -= tau * w
                linear[j] += view.data[n, d] - 0.5 + tau * b
            else:
                linear[:k] += tau * w * view.data[n, d]
                if view.kind == "encoder":
                    uncertain.append((v, d, tau * w, view.variance[n, d]))
    covariance = np.linalg.inv(precision)
    means, scores = [], []
    for c in range(len(factors.means)):
        total = linear.copy()
        total[:k] += factors.means[c]
        means.append(covariance @ total)
        score = factors.log_proportion(c) - 0.5 * factors.squared_norm(c)
        scores.append(score + 0.5 * total @ covariance @ total)
    means = np.array(means)
    responsibilities = np.exp(np.array(scores) - max(scores))
    responsibilities /= responsibilities.sum()
    mean = responsibilities @ means
    full = covariance.copy()
    for c, responsibility in enumerate(responsibilities):
        full += responsibility * np.outer(means[c] - mean, means[c] - mean)
    latents = {}
    for v, d, direction, variance in uncertain:
        follow = covariance[:, :k] @ direction  # how the means of g and binary z follow this latent
        full += variance * np.outer(follow, follow)
        z = views[v].data[n, d]
        entropy = 0.5 * (np.log(variance) + 1 + LOG_2PI)
        latents[v, d] = z, z**2 + variance, z * mean[:k] + variance * follow[:k], entropy
    for (v, d), j in place.items():
        entropy = 0.5 * (1 + LOG_2PI - np.log(precision[j, j]))
        latents[v, d] = mean[j], mean[j] ** 2 + full[j, j], mean[j] * mean[:k] + full[j, :k], entropy
    for v, view in enumerate(views):
        if view.kind == "real" and view.observed[n]:
            for d in range(view.size):
                z = view.data[n, d]
                latents[v, d] = z, z**2, z * mean[:k], 0.0
    return Row(responsibilities, means[:, :k], covariance[:k, :k], mean[:k], full[:k, :k], latents)


def rows_posterior(views: list[View], factors: Factors) -> list[Row]:
    return [row_posterior(views, factors, n) for n in range(len(views[0].observed))]


def moments(row: Row) -> np.ndarray:
    """<g̃ g̃ᵀ> of a row, (L, L)."""
    k = len(row.mean)
    answer = np.ones((k + 1, k + 1))
    answer[:k, :k] = row.covariance + np.outer(row.mean, row.mean)
    answer[:k, k] = answer[k, :k] = row.mean
    return answer


def statistics(views: list[View], rows: list[Row]) -> list[dict]:
    """The sums that each view needs: n, gg (L, L), zg (D, L), zz (D,)."""
    answer = []
    for v, view in enumerate(views):
        size = view.mean.shape[1]
        sums = {
            "n": 0.0,
            "gg": np.zeros((size, size)),
            "zg": np.zeros((view.size, size)),
            "zz": np.zeros(view.size),
        }
        for n, row in enumerate(rows):
            if not view.observed[n]:
                continue
            sums["n"] += 1
            sums["gg"] += moments(row)
            for d in range(view.size):
                z, zz, zg, _ = row.latents[v, d]
                sums["zg"][d] += np.append(zg, z)
                sums["zz"][d] += zz
        answer.append(sums)
    return answer


def update_weights(view: View, sums: dict) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D, L) and covariance (D, L, L) of q(w̃_d), feature by feature."""
    prior = np.diag(np.append(view.relevance_shape / view.relevance_rate, view.bias_precision))
    means, covariances = [], []
    for d in range(view.size):
        covariance = np.linalg.inv(prior + view.tau[d] * sums["gg"])
        covariances.append(covariance)
        means.append(view.tau[d] * covariance @ sums["zg"][d])
    return np.array(means), np.array(covariances)


def update_relevance(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Shape and rate of q(α_k)."""
    k = view.mean.shape[1] - 1
    shape, rate = (np.full(k, value) for value in view.relevance_prior)
    for d in range(view.size):
        shape = shape + 0.5
        rate = rate + 0.5 * (view.mean[d, :k] ** 2 + np.diag(view.covariance[d])[:k])
    return shape, rate


def residual(view: View, d: int, zz: float, zg: np.ndarray, gg: np.ndarray) -> float:
    """E (z − w̃ᵀ g̃)², of a row or summed."""
    second = np.outer(view.mean[d], view.mean[d]) + view.covariance[d]
    return zz - 2 * view.mean[d] @ zg + np.sum(second * gg)


def update_noise(view: View, sums: dict) -> tuple[np.ndarray, np.ndarray]:
    """Shape and rate of q(τ), (D,), equal in all features where the precision is shared."""
    squares = np.array(
        [residual(view, d, sums["zz"][d], sums["zg"][d], sums["gg"]) for d in range(view.size)]
    )
    count = np.full(view.size, sums["n"])
    if view.shared_noise:
        squares, count = np.full(view.size, squares.sum()), count * view.size
    return view.noise_prior[0] + count / 2, view.noise_prior[1] + squares / 2


def update_mixture(factors: Factors, rows: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means (C, K), covariances (C, K, K) and Dirichlet (C,) of the components."""
    means, covariances, dirichlet = [], [], []
    k = factors.means.shape[1]
    for c in range(len(factors.means)):
        count = sum(row.responsibilities[c] for row in rows)
        total = sum(row.responsibilities[c] * row.component_means[c] for row in rows)
        means.append(total / (factors.mean_precision + count))
        covariances.append(np.eye(k) / (factors.mean_precision + count))
        dirichlet.append(factors.concentration + count)
    return np.array(means), np.array(covariances), np.array(dirichlet)


def gamma_terms(shape: float, rate: float, prior: tuple[float, float]) -> float:
    """E log Gamma(x | prior) + entropy under q = Gamma(shape, rate)."""
    a, b = prior
    mean_log = digamma(shape) - np.log(rate)
    density = a * np.log(b) - gammaln(a) + (a - 1) * mean_log - b * shape / rate
    return density + stats.gamma(shape, scale=1 / rate).entropy()


def gaussian_entropy(covariance: np.ndarray) -> float:
    return 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]


def bound(views: list[View], names: list[str], factors: Factors, rows: list[Row]) -> dict[str, float]:
    """Every term of the bound in nats, summed one by one; a binary view's ξ at its optimum given q."""
    terms = {}
    k = factors.means.shape[1]
    for v, (view, name) in enumerate(zip(views, names, strict=True)):
        likelihood = latents = weights = noise = 0.0
        for d in range(view.size):
            log_tau = digamma(view.noise_shape[d]) - np.log(view.noise_rate[d])
            for n, row in enumerate(rows):
                if not view.observed[n]:
                    continue
                z, zz, zg, entropy = row.latents[v, d]
                error = residual(view, d, zz, np.append(zg, z), moments(row))
                latents += 0.5 * (log_tau - LOG_2PI - view.tau[d] * error) + entropy
                if view.kind == "binary":
                    xi = np.sqrt(zz)
                    likelihood += (
                        -np.log1p(np.exp(-xi))
                        - xi / 2
                        + (view.data[n, d] - 0.5) * z
                        - curvature(xi) * (zz - xi**2)
                    )
            for j in range(k):
                alpha = view.relevance_shape[j] / view.relevance_rate[j]
                log_alpha = digamma(view.relevance_shape[j]) - np.log(view.relevance_rate[j])
                square = view.mean[d, j] ** 2 + view.covariance[d, j, j]
                weights += 0.5 * (log_alpha - LOG_2PI - alpha * square)
            square = view.mean[d, k] ** 2 + view.covariance[d, k, k]
            weights += 0.5 * (np.log(view.bias_precision) - LOG_2PI - view.bias_precision * square)
            weights += gaussian_entropy(view.covariance[d])
            if d == 0 or not view.shared_noise:
                noise += gamma_terms(view.noise_shape[d], view.noise_rate[d], view.noise_prior)
        for j in range(k):
            weights += gamma_terms(view.relevance_shape[j], view.relevance_rate[j], view.relevance_prior)
        terms |= {
            f"{name}.likelihood": likelihood,
            f"{name}.latents": latents,
            f"{name}.weights": weights,
            f"{name}.noise": noise,
        }
    terms |= factor_terms(factors, rows)
    return terms


def factor_terms(factors: Factors, rows: list[Row]) -> dict[str, float]:
    """E log p of factors and components plus their entropies."""
    k = factors.means.shape[1]
    density = components = 0.0
    for row in rows:
        for c, responsibility in enumerate(row.responsibilities):
            # between the row's spread inside a component and the component's own uncertainty
            inside = row.covariance + np.outer(row.mean, row.mean)
            if len(row.responsibilities) > 1:
                inside = inside - sum(
                    r * np.outer(m, m) for r, m in zip(row.responsibilities, row.component_means, strict=True)
                )
                inside = inside + np.outer(row.component_means[c], row.component_means[c])
            square = np.trace(inside) - 2 * factors.means[c] @ row.component_means[c]
            square += factors.squared_norm(c)
            density += responsibility * 0.5 * (-k * LOG_2PI - square)
            components += responsibility * factors.log_proportion(c)
            if responsibility > 0:
                components -= responsibility * np.log(responsibility)
        density += gaussian_entropy(row.conditional)
    if factors.dirichlet is None:
        return {"factors": density}
    prior = np.full(len(factors.dirichlet), factors.concentration)
    for c in range(len(factors.means)):
        kappa = factors.mean_precision
        components += 0.5 * (k * (np.log(kappa) - LOG_2PI) - kappa * factors.squared_norm(c))
        components += gaussian_entropy(factors.covariances[c])
        components += (prior[c] - 1) * factors.log_proportion(c)
    components += gammaln(prior.sum()) - gammaln(prior).sum()
    components += stats.dirichlet(factors.dirichlet).entropy()
    return {"factors": density, "components": components}
