"""Where learning starts: units, random weights, and components of a mixture."""

from collections.abc import Collection, Sequence

import torch
from sklearn.cluster import kmeans_plusplus
from torch import Tensor

from pyro_favae.data.dataset import Dataset
from pyro_favae.errors import DataError
from pyro_favae.inference.guide import FAVAEGuide
from pyro_favae.inference.processes import ALONE, Processes
from pyro_favae.models.views.base import Moments
from pyro_favae.models.views.real import ROUNDING

LEAST_SPREAD = 1e-7  # of the largest value: its square is what double precision can tell from 1
SILENCE = 1e-6  # of the variance of weights that nothing is known of
SEEDING_ROWS = 5_000  # enough to choose components from
SEEDING_JITTER = 0.1  # posterior standard deviations, so that identical rows can seed several components


@torch.no_grad()
def calibrate(
    guide: FAVAEGuide,
    dataset: Dataset,
    names: Collection[str],
    chunk: int,
    processes: Processes = ALONE,
) -> None:
    """Let those of the named views that need to read their units off what is observed, ``chunk`` rows at a time.

    dataset: this process's rows.
    """
    for name in names:
        emission = guide.model.emission(name)
        if emission.needs_moments:
            moments = processes.merged(dataset.moments(name, chunk, guide.device))
            emission.calibrate(moments)
            guide.posterior.view(name).noise.calibrate(emission.unit)
            as_it_is = getattr(guide.declaration.views[name], "standardise", None) == "none"
            if emission.unit is not None and as_it_is:
                size = len(emission.unit)  # further columns are variances
                require_digits(name, Moments(*(part[:size] for part in moments)))


def require_digits(name: str, moments: Moments) -> None:
    """Raise :class:`DataError` where the sums of squares of data as they are would lose a feature's spread."""
    spread = moments.variance.sqrt()
    rounding = ROUNDING * torch.finfo(spread.dtype).eps * moments.largest
    spread = spread[spread > rounding]  # others are constant
    largest = moments.largest.max()
    if len(spread) and spread.min() < LEAST_SPREAD * largest:
        raise DataError(
            f"view {name!r}: a feature varies by {spread.min().item():.3g} where values go up to "
            f"{largest.item():.3g}; their squares do not fit in double precision together: declare the view with "
            "standardise='feature'"
        )


@torch.no_grad()
def randomise_weights(guide: FAVAEGuide, names: Collection[str], generator: torch.Generator) -> None:
    """Small random weights of the named views: enough to break the symmetry between factors."""
    for view in map(guide.posterior.view, names):
        mean = torch.randn(view.weights_mean.shape, generator=generator, dtype=torch.float64)
        mean[:, -1] = 0
        view.weights_mean.copy_(0.3 * mean / view.weights_mean.shape[1] ** 0.5)


@torch.no_grad()
def silence(guide: FAVAEGuide, names: Collection[str]) -> None:
    """No weights: the views say nothing of the factors until they have been fitted to them."""
    for name in names:
        view = guide.posterior.view(name)
        view.weights_mean.zero_()
        view.weights_covariance.mul_(SILENCE)


@torch.no_grad()
def set_start_noise(guide: FAVAEGuide, names: Collection[str]) -> None:
    """Give views whose noise is not to be read off their stand-in the precision that a learnt one starts from."""
    for name in names:
        view, inference = guide.posterior.view(name), guide.inference(name)
        if inference.start_precision is not None:
            view.noise.start(view.weights_mean.new_full((view.n_features,), 1 / inference.start_precision))


@torch.no_grad()
def place_components(
    guide: FAVAEGuide, dataset: Dataset, names: Sequence[str], generator: torch.Generator
) -> None:
    """Seed the components of the factors' prior: k-means++ on posterior means, as the named views see the rows."""
    factors = guide.posterior.factors
    count = len(factors.component_means)
    if count == 1:
        return
    seen = torch.stack([dataset.views[name].present for name in names]).any(0).nonzero()[:, 0]
    chosen = seen[torch.randperm(len(seen), generator=generator)[:SEEDING_ROWS]]
    batch = dataset.batch(chosen, guide.device, names)
    views = guide.view_rows(batch.data, batch.observed, start=True)
    means = guide.infer(views, batch.n).factors
    if batch.n < count:
        means = means[torch.randint(batch.n, (count,), generator=generator).to(guide.device)]
    means = means + SEEDING_JITTER * _noise(means, generator)
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    centres, _ = kmeans_plusplus(means.cpu().numpy(), count, random_state=seed)
    factors.place(torch.as_tensor(centres).to(means))


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)
