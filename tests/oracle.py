"""A slow reference of the closed forms: NumPy float64, row by row, feature by feature, no batching.

It shares no code with the package. Expectations over uncertain weights are averages over points; every entry's
latent is joined to the factors in one Gaussian, and eliminated by a Schur complement where it is not known; the
bound is summed from its definition with every constant.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import digamma, gammaln

LOG_2PI = np.log(2 * np.pi)


@dataclass
class View:
    """One view's rows and global posterior; w̃ = [w, b] has L = K + 1 entries."""

    kind: str  # "real", "encoder", "binary" or "categorical"
    observed: np.ndarray  # (N, D) booleans
    data: np.ndarray  # (N, D): latents, encoder means, 0 and 1, or one-hot classes
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
    xi: np.ndarray | None = None  # (N, D), of the bound on logits while q was computed
    shift: np.ndarray | None = None  # (N,), of the same bound; zero in a binary view

    @property
    def tau(self) -> np.ndarray:
        return self.noise_shape / self.noise_rate

    @property
    def size(self) -> int:
        return len(self.mean)

    def weight_points(self, d: int) -> np.ndarray:
        """Points (2 L, L) whose average gives the expectation of any quadratic in w̃_d."""
        size = self.mean.shape[1]
        root = np.sqrt(size) * np.linalg.cholesky(self.covariance[d]).T
        return np.concatenate([self.mean[d] + root, self.mean[d] - root])


@dataclass
class Factors:
    """The factors' prior; ``dirichlet`` is None for standard normal factors.

    Means and covariances are those of components, or of the groups where rows have labels.
    """

    means: np.ndarray  # (C, K)
    covariances: np.ndarray  # (C, K, K)
    dirichlet: np.ndarray | None = None  # (C,)
    mean_precision: float = 1.0
    concentration: float = 1.0
    labels: np.ndarray | None = None  # (N,) the group of each row
    scale_shape: np.ndarray | None = None  # (C, K) of the groups' precisions
    scale_rate: np.ndarray | None = None  # (C, K)
    scale_prior: tuple[float, float] = (1.0, 1.0)

    def of_row(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Precision (K,) of a row's factors, and their means in each component it may be of, (C, K)."""
        if self.labels is None:
            return np.ones(self.means.shape[1]), self.means
        c = self.labels[n]
        return self.scale_shape[c] / self.scale_rate[c], self.means[c : c + 1]

    def log_proportion(self, c: int) -> float:
        if self.dirichlet is None:
            return 0.0
        return digamma(self.dirichlet[c]) - digamma(self.dirichlet.sum())

    def squared_norm(self, c: int) -> float:
        return self.means[c] @ self.means[c] + np.trace(self.covariances[c])


@dataclass
class Likelihood:
    """A lower bound, ``constant + slope z − ½ curvature z²``, on the log likelihood of an entry's latent."""

    constant: float = 0.0
    slope: float = 0.0
    curvature: float = 0.0


@dataclass
class Latent:
    """q of an entry's latent: z = follow · w̃ᵀ g̃ + intercept + noise of given variance and covariance with g̃."""

    follow: float
    intercept: float
    variance: float
    covariance: np.ndarray  # (L,)
    likelihood: Likelihood

    @property
    def entropy(self) -> float:
        return 0.5 * (np.log(self.variance) + 1 + LOG_2PI) if self.variance else 0.0


@dataclass
class Row:
    """q of one row."""

    responsibilities: np.ndarray  # (C,)
    component_means: np.ndarray  # (C, K)
    conditional: np.ndarray  # (K, K) Cov(g | encoders' latents, component)
    mean: np.ndarray  # (K,)
    covariance: np.ndarray  # (K, K) of g, everything integrated out
    latents: dict[tuple[int, int], Latent]  # by view and feature, of what is observed

    @property
    def factors(self) -> np.ndarray:
        """<g̃>, (L,)."""
        return np.append(self.mean, 1.0)

    @property
    def moments(self) -> np.ndarray:
        """<g̃ g̃ᵀ>, (L, L)."""
        moments = np.outer(self.factors, self.factors)
        moments[:-1, :-1] += self.covariance
        return moments


def likelihood(view: View, n: int, d: int) -> Likelihood:
    """Jaakkola's bound on log σ; of a class, its share of Bouchard's on log softmax with shift a.

    −log Σ_c exp z_c ≥ −a − Σ_c log(1 + exp y_c), y = z − a, and −log(1 + exp y) ≥ log σ(ξ) − ξ/2 − y/2 − λ (y² − ξ²).
    """
    if view.xi is None:
        return Likelihood()
    xi, a = view.xi[n, d], view.shift[n]
    curvature = np.tanh(xi / 2) / (2 * xi)
    constant = -np.log1p(np.exp(-xi)) - xi / 2 + a / 2 - 0.5 * curvature * (a**2 - xi**2) - a / view.size
    return Likelihood(constant, view.data[n, d] - 0.5 + curvature * a, curvature)


def row_posterior(views: list[View], factors: Factors, n: int) -> Row:
    """q of row n given the global posterior and the bounds on logits."""
    k = factors.means.shape[1]
    prior_precision, prior_means = factors.of_row(n)
    precision, linear = np.diag(np.append(prior_precision, 0.0)), np.zeros(k + 1)
    entries = [(v, d) for v, view in enumerate(views) for d in range(view.size) if view.observed[n, d]]
    for v, d in entries:
        view, bound = views[v], likelihood(views[v], n, d)
        points = view.weight_points(d)
        for w in points:
            joint = view.tau[d] * np.outer(np.append(w, -1.0), np.append(w, -1.0))  # of g̃ and z
            joint[-1, -1] += bound.curvature
            cross, own = joint[:-1, -1], joint[-1, -1]
            if view.xi is None:
                precision += joint[:-1, :-1] / len(points)
                linear -= cross * view.data[n, d] / len(points)
            else:
                precision += (joint[:-1, :-1] - np.outer(cross, cross) / own) / len(points)
                linear -= cross * bound.slope / own / len(points)
    covariance = np.linalg.inv(precision[:k, :k])
    means, scores = [], []
    for c, prior_mean in enumerate(prior_means):
        total = linear[:k] - precision[:k, k] + prior_precision * prior_mean
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
    for v, d in entries:
        view, bound, with_factors = views[v], likelihood(views[v], n, d), np.zeros(k + 1)
        if view.kind == "encoder":
            gain = covariance @ (view.tau[d] * view.mean[d, :k])  # how the mean of g follows this latent
            full += view.variance[n, d] * np.outer(gain, gain)
            with_factors[:k] = view.variance[n, d] * gain
        if view.xi is None:
            variance = 0.0 if view.variance is None else view.variance[n, d]
            latents[v, d] = Latent(0.0, view.data[n, d], variance, with_factors, bound)
        else:
            total = view.tau[d] + bound.curvature
            latents[v, d] = Latent(view.tau[d] / total, bound.slope / total, 1 / total, with_factors, bound)
    return Row(responsibilities, means, covariance, mean, full, latents)


def rows_posterior(views: list[View], factors: Factors) -> list[Row]:
    return [row_posterior(views, factors, n) for n in range(len(views[0].observed))]


def statistics(views: list[View], rows: list[Row]) -> list[dict]:
    """The sums that each view needs, of each feature."""
    answer = []
    for v, view in enumerate(views):
        size = view.mean.shape[1]
        sums = {name: np.zeros(view.size) for name in ("n", "zz")}
        sums |= {name: np.zeros((view.size, size)) for name in ("zg", "likelihood_zg")}
        sums |= {name: np.zeros((view.size, size, size)) for name in ("gg", "likelihood_gg")}
        sums |= {"log_likelihood": 0.0, "entropy": 0.0}
        for row in rows:
            for d in range(view.size):
                if (v, d) not in row.latents:
                    continue
                z = row.latents[v, d]
                bound, away = z.likelihood, 1 - z.follow
                sums["n"][d] += 1
                sums["gg"][d] += away**2 * row.moments
                sums["zg"][d] += away * (z.intercept * row.factors + z.covariance)
                sums["zz"][d] += z.intercept**2 + z.variance
                slope = bound.slope - bound.curvature * z.intercept
                sums["likelihood_zg"][d] += z.follow * slope * row.factors
                sums["likelihood_gg"][d] += bound.curvature * z.follow**2 * row.moments
                square = z.intercept**2 + z.variance
                sums["log_likelihood"] += (
                    bound.constant + bound.slope * z.intercept - 0.5 * bound.curvature * square
                )
                sums["entropy"] += z.entropy
        answer.append(sums)
    return answer


def update_weights(view: View, sums: dict) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D, L) and covariance (D, L, L) of q(w̃_d), feature by feature."""
    prior = np.diag(np.append(view.relevance_shape / view.relevance_rate, view.bias_precision))
    means, covariances = [], []
    for d in range(view.size):
        covariance = np.linalg.inv(prior + view.tau[d] * sums["gg"][d] + sums["likelihood_gg"][d])
        covariances.append(covariance)
        means.append(covariance @ (view.tau[d] * sums["zg"][d] + sums["likelihood_zg"][d]))
    return np.array(means), np.array(covariances)


def update_relevance(view: View) -> tuple[np.ndarray, np.ndarray]:
    """Shape and rate of q(α_k)."""
    k = view.mean.shape[1] - 1
    shape, rate = (np.full(k, value) for value in view.relevance_prior)
    for d in range(view.size):
        shape = shape + 0.5
        rate = rate + 0.5 * (view.mean[d, :k] ** 2 + np.diag(view.covariance[d])[:k])
    return shape, rate


def residual(view: View, d: int, z: Latent, row: Row) -> float:
    """E (z − w̃ᵀ g̃)² of an entry, W at its present posterior."""
    squares = [
        (z.follow - 1) ** 2 * w @ row.moments @ w
        + 2 * (z.follow - 1) * w @ (z.intercept * row.factors + z.covariance)
        + z.intercept**2
        + z.variance
        for w in view.weight_points(d)
    ]
    return np.mean(squares)


def expected_log_likelihood(view: View, d: int, z: Latent, row: Row) -> float:
    """E of the bound on the log likelihood of an entry, W at its present posterior."""
    bound, values = z.likelihood, []
    for w in view.weight_points(d):
        mean = z.follow * w @ row.factors + z.intercept
        square = z.follow**2 * w @ row.moments @ w + 2 * z.follow * z.intercept * w @ row.factors
        square += z.intercept**2 + z.variance
        values.append(bound.constant + bound.slope * mean - 0.5 * bound.curvature * square)
    return np.mean(values)


def update_noise(views: list[View], v: int, rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Shape and rate of q(τ) of view v, (D,), equal in all features where the precision is shared."""
    view = views[v]
    squares, count = np.zeros(view.size), np.zeros(view.size)
    for row in rows:
        for d in range(view.size):
            if (v, d) in row.latents:
                squares[d] += residual(view, d, row.latents[v, d], row)
                count[d] += 1
    if view.shared_noise:
        squares, count = np.full(view.size, squares.sum()), np.full(view.size, count.sum())
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


def update_groups(factors: Factors, rows: list[Row]) -> None:
    """Means, then precisions, of the groups, one factor at a time; in place."""
    k = factors.means.shape[1]
    for c in range(len(factors.means)):
        members = [row for row, label in zip(rows, factors.labels, strict=True) if label == c]
        for j in range(k):
            scale = factors.scale_shape[c, j] / factors.scale_rate[c, j]
            precision = factors.mean_precision + len(members) * scale
            factors.means[c, j] = scale * sum(row.mean[j] for row in members) / precision
            factors.covariances[c, j] = factors.covariances[c, :, j] = 0.0
            factors.covariances[c, j, j] = 1 / precision
        for j in range(k):
            squares = sum(square_to_mean(factors, c, row)[j] for row in members)
            factors.scale_shape[c, j] = factors.scale_prior[0] + len(members) / 2
            factors.scale_rate[c, j] = factors.scale_prior[1] + squares / 2


def square_to_mean(factors: Factors, c: int, row: Row) -> np.ndarray:
    """<(g_k − m_ck)²> of a row, (K,)."""
    spread = np.diag(row.covariance) + np.diag(factors.covariances[c])
    return (row.mean - factors.means[c]) ** 2 + spread


def group_terms(factors: Factors, rows: list[Row]) -> dict[str, float]:
    """E log p of the factors of rows that are grouped, of the groups' means and precisions, plus entropies."""
    density = groups = 0.0
    shape, rate = factors.scale_shape, factors.scale_rate
    for row, c in zip(rows, factors.labels, strict=True):
        logs = digamma(shape[c]) - np.log(rate[c])
        density += 0.5 * (logs - LOG_2PI - shape[c] / rate[c] * square_to_mean(factors, c, row)).sum()
        density += gaussian_entropy(row.conditional)
    for c, mean in enumerate(factors.means):
        kappa = factors.mean_precision
        groups += 0.5 * (len(mean) * (np.log(kappa) - LOG_2PI) - kappa * factors.squared_norm(c))
        groups += gaussian_entropy(factors.covariances[c])
        groups += sum(map(gamma_terms, shape[c], rate[c], [factors.scale_prior] * len(mean)))
    return {"factors": density, "groups": groups}


def gamma_terms(shape: float, rate: float, prior: tuple[float, float]) -> float:
    """E log Gamma(x | prior) + entropy under q = Gamma(shape, rate)."""
    a, b = prior
    mean_log = digamma(shape) - np.log(rate)
    density = a * np.log(b) - gammaln(a) + (a - 1) * mean_log - b * shape / rate
    return density + stats.gamma(shape, scale=1 / rate).entropy()


def gaussian_entropy(covariance: np.ndarray) -> float:
    return 0.5 * np.linalg.slogdet(2 * np.pi * np.e * covariance)[1]


def bound(views: list[View], names: list[str], factors: Factors, rows: list[Row]) -> dict[str, float]:
    """Every term of the bound in nats, summed one by one."""
    terms = {}
    k = factors.means.shape[1]
    for v, (view, name) in enumerate(zip(views, names, strict=True)):
        log_likelihood = latents = weights = noise = 0.0
        for d in range(view.size):
            log_tau = digamma(view.noise_shape[d]) - np.log(view.noise_rate[d])
            for row in rows:
                if (v, d) not in row.latents:
                    continue
                z = row.latents[v, d]
                latents += 0.5 * (log_tau - LOG_2PI - view.tau[d] * residual(view, d, z, row)) + z.entropy
                log_likelihood += expected_log_likelihood(view, d, z, row)
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
            f"{name}.likelihood": log_likelihood,
            f"{name}.latents": latents,
            f"{name}.weights": weights,
            f"{name}.noise": noise,
        }
    terms |= (factor_terms if factors.labels is None else group_terms)(factors, rows)
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
