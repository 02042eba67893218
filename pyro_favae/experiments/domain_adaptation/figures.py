"""The paper's figures 8, 9, 10 and A.16."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import pyro_favae as fv
from pyro_favae.experiments.domain_adaptation.domains import Domain, Pairs
from pyro_favae.experiments.domain_adaptation.measures import Translate
from pyro_favae.experiments.domain_adaptation.training import Adapted
from pyro_favae.plots.canvas import figure_of

EACH, EACH_ALONE = 2, 4  # images of each combination
STEPS = 8  # from one image to another
OFF = "off"
USED = 0.001  # of a view's variance: one of 128 latents is less than a hundredth


def draw_figures(
    adapted: Adapted, methods: Mapping[str, Translate], pairs: Pairs, out: Path, seed: int = 0
) -> None:
    """Write `to-NAME.png` of each domain (Figure 8), `private.png` (9), `shared.png` (A.16), `weights.png` (10).

    And `translated.png`, in which the first domain, which may have to be kept to oneself, does not show.
    """
    figures = {f"to-{name}": translations(methods, pairs, name, seed) for name in pairs.names}
    figures["translated"] = translated(methods, pairs, seed)
    figures["private"] = private_ways(adapted, pairs, seed)
    figures["shared"] = shared_ways(adapted, pairs, seed)
    figures["weights"] = weights(adapted.fit)
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png", dpi=110)
        plt.close(figure)


def translations(methods: Mapping[str, Translate], pairs: Pairs, target: str, seed: int = 0) -> Figure:
    """Held-out images of the other domain, and beneath each what every method makes of it. Figure 8."""
    source = pairs.other(target)
    test = pairs.test[source]
    images = test.images[examples(test, EACH, seed)]
    rows = [images, *(translate(source, target, images, seed) for translate in methods.values())]
    return figure_of(fv.plots.images(np.stack(rows), row_titles=[source, *methods]))


def translated(methods: Mapping[str, Translate], pairs: Pairs, seed: int = 0) -> Figure:
    """Translations into the second domain alone, in rows by what the image shows that each was made of."""
    source, target = pairs.names
    test = pairs.test[source]
    rows = examples(test, EACH_ALONE, seed)
    made = [translate(source, target, test.images[rows], seed) for translate in methods.values()]
    grid = [images.reshape(-1, EACH_ALONE, *images.shape[1:]) for images in made]
    names = [[name, *[""] * (EACH_ALONE - 1)] for name in methods]
    labels = test.labels.iloc[rows[::EACH_ALONE]]
    titles = [", ".join(labels.columns[row == 1]) for row in labels.to_numpy()]
    axes = fv.plots.images(
        np.concatenate(grid, 1), row_titles=titles, column_titles=[title for each in names for title in each]
    )
    return figure_of(axes)


def examples(domain: Domain, each: int, seed: int = 0) -> np.ndarray:
    """Rows of a domain, ``each`` of every combination it has."""
    rng, cells = np.random.default_rng(seed), domain.cells
    return np.concatenate(
        [rng.choice(np.flatnonzero(cells == cell), each, replace=False) for cell in np.unique(cells)]
    )


def ends(pairs: Pairs, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two images of the first domain to start from and two to end at: another kind, and the mark or none."""
    test = pairs.test[pairs.names[0]]
    chosen = examples(test, 1, seed)
    kinds, marks = test.kinds[chosen], test.marks[chosen]
    order = chosen[np.lexsort((marks, kinds))]  # by kind, first without the mark
    return test.images[order[[0, 2]]], test.images[order[[3, 5]]]


def private_ways(adapted: Adapted, pairs: Pairs, seed: int = 0) -> Figure:
    """From one image to another through the latents of each domain, Eq. 17. Figure 9.

    The ends in the second domain are translations, each with another private part.
    """
    (source, target), (start, end) = pairs.names, ends(pairs, seed)
    there = [adapted.translate(source, target, images, seed + i) for i, images in enumerate((start, end))]
    ways = [
        adapted.fit.interpolate(source, start, end, STEPS),
        adapted.fit.interpolate(target, there[0], there[1], STEPS),
    ]
    return strips(pairs, ways)


def shared_ways(adapted: Adapted, pairs: Pairs, seed: int = 0) -> Figure:
    """From one image to another through the shared factors, seen in both domains. Figure A.16.

    What is private stays as it is at the start: ends in the second domain are translations with one private part.
    """
    (source, target), (start, end) = pairs.names, ends(pairs, seed)
    there = [adapted.translate(source, target, images, seed) for images in (start, end)]
    ways = [
        adapted.fit.interpolate(source, start, end, STEPS, space="shared"),
        adapted.fit.interpolate(target, there[0], there[1], STEPS),
    ]
    return strips(pairs, ways)


def strips(pairs: Pairs, ways: list[np.ndarray]) -> Figure:
    """Ways (steps, rows, C, H, W) of each domain as strips, those of a row beneath each other."""
    grid = np.stack(ways, 1).swapaxes(0, 2)  # rows, domains, steps
    titles = [f"{share:.0%}" for share in np.linspace(0, 1, STEPS)]
    axes = fv.plots.images(
        grid.reshape(-1, *grid.shape[2:]), row_titles=pairs.names * len(grid), column_titles=titles
    )
    return figure_of(axes)


def weights(fit: fv.Fit) -> Figure:
    """Mean of |W| over the rows of each view, by factor, sorted by the view of kinds and named. Figure 10.

    Relative to the largest of a view. A factor is named after the views that use it; those of no use are left out.
    """
    names, roles = list(fit.posterior.names), roles_of(fit)
    size = np.stack([np.abs(fit.weights(name)).mean(0) for name in names])
    relative = size / size.max(1, keepdims=True)
    used = np.flatnonzero([role != OFF for role in roles])
    order = used[np.argsort(-relative[-1, used], kind="stable")]
    figure, ax = plt.subplots(figsize=(2.2 + 0.24 * len(order), 3.4), layout="constrained")
    picture = ax.imshow(relative[:, order], cmap="Greys", vmin=0, vmax=1, aspect="auto")
    ax.set_yticks(range(len(names)), names)
    ax.set_xticks(range(len(order)), [roles[factor] for factor in order], rotation=90)
    figure.colorbar(picture, ax=ax, label="mean |w| / largest of the view")
    return figure


def roles_of(fit: fv.Fit) -> list[str]:
    """What each factor is called after the views of which it explains ``USED`` or more, rather than not."""
    names = list(fit.posterior.names)
    chances = fv.diagnostics.sharing(fit, threshold=USED)[
        [f"{name}.probability" for name in names]
    ].to_numpy()
    return [role_of(row > 0.5, names) for row in chances]


def role_of(uses: np.ndarray, names: list[str]) -> str:
    """The name of a factor that some of the views use: shared by all or by some, private to one, or off."""
    views = [name for name, here in zip(names, uses, strict=True) if here]
    if len(views) < 2:
        return f"{views[0]} only" if views else OFF
    return "all" if len(views) == len(names) else " + ".join(views)
