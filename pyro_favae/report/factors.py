"""What the factors are."""

import warnings
from collections.abc import Iterator

import matplotlib.pyplot as plt
import pandas as pd

from pyro_favae import diagnostics, plots
from pyro_favae.models.views.base import TableView
from pyro_favae.report.material import Material, and_, factors_named
from pyro_favae.report.page import Section, bullets, heading, note, picture, text

MOST_FACTORS, MOST_FEATURES = 12, 8  # shown


def sharing(material: Material) -> Section:
    """Which views have which factors, in words and as a map."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", diagnostics.SharingWarning)
        shared = diagnostics.sharing(material.fit)
        drawn = plots.sharing(material.fit)
    warned = dict.fromkeys(str(warning.message) for warning in caught)
    parts = [
        text(
            "Factors that several views use carry information between them; private ones describe a single view; "
            "the rest are off."
        ),
        bullets(in_words(shared)),
        *(note(f"{words[0].upper()}{words[1:]}.") for words in warned),
        picture(drawn, "Discs joined by a line: shared. Squares: private. Dots: off."),
    ]
    return Section("What the views share", tuple(parts))


def in_words(shared: pd.DataFrame) -> Iterator[str]:
    """A sentence for each set of views with factors of its own, the largest set first."""
    groups = shared.groupby("views", sort=False).indices
    for views in sorted(groups, key=len, reverse=True):
        factors = factors_named(groups[views])
        if not views:
            yield f"No view uses {factors}."
        elif len(views) == 1:
            yield f"{views[0]} alone uses {factors}."
        else:
            yield f"{and_(views)} share {factors}."


def variance(material: Material) -> Section | None:
    """How much each factor explains of each view."""
    if material.data is None:
        return None
    totals = diagnostics.total_variance_explained(material.fit, material.data).dropna()
    said = and_([f"{100 * share:.0f} % of {name}" for name, share in totals.items()] or ["nothing"])
    return Section(
        "Variance explained",
        (
            text(
                f"Together, the factors explain {said}. The rest is noise, and what is private to single rows. For a "
                "table this is the variance of its numbers; behind a network that of the latent dimensions; for "
                "yes/no attributes and classes that of their logits, the coin thrown on top of them included."
            ),
            picture(
                plots.variance_explained(material.fit, material.data),
                "Share of each view's variance by factor, in per cent; the last column is all factors together.",
            ),
        ),
    )


def features(material: Material) -> Section | None:
    """The largest weights of each factor in use."""
    tables = [name for name, view in material.views.items() if isinstance(view, TableView)]
    shown = [(k, [n for n in tables if k in material.active(n)]) for k in material.active()]
    shown = [(k, names) for k, names in shown if names]
    if not shown:
        return None
    parts = [
        text(
            f"For each factor, the features with the largest weights, at most {MOST_FEATURES} of a view, with 95 % "
            "intervals: how much a feature changes as the factor rises by one standard deviation, in the feature's "
            "own units (logits for yes/no attributes). The sign of a factor as a whole is arbitrary: it is chosen so "
            "that its largest weight is positive."
        )
    ]
    for factor, names in shown[:MOST_FACTORS]:
        parts += [heading(f"Factor {factor}, {_owners(material, factor)}"), _weights(material, factor, names)]
    if len(shown) > MOST_FACTORS:
        parts.append(text(f"{len(shown) - MOST_FACTORS} more factors are not shown."))
    return Section("What each factor is made of", tuple(parts))


def _owners(material: Material, factor: int) -> str:
    used = material.fit.active[factor]
    names = list(used.index[used])
    return f"shared by {and_(names)}" if len(names) > 1 else f"of {names[0]} alone"


def _weights(material: Material, factor: int, names: list[str]) -> str:
    sizes = [min(MOST_FEATURES, material.views[name].latent_dim) for name in names]
    figure, axes = plt.subplots(
        1,
        len(names),
        figsize=(1 + 4.2 * len(names), 1.2 + 0.26 * max(sizes)),
        layout="constrained",
        squeeze=False,
    )
    for name, ax in zip(names, axes[0], strict=True):
        plots.top_features(material.fit, name, int(factor), MOST_FEATURES, ax=ax)
    largest = {name: diagnostics.top_features(material.fit, name, int(factor), 3).index for name in names}
    said = "; ".join(f"{name}: {', '.join(map(_called, features))}" for name, features in largest.items())
    return picture(axes[0, 0], f"Largest weights of factor {factor}. {said}.")


def _called(feature: str) -> str:
    """A feature's name, or its number as one."""
    return f"no. {feature}" if feature.isdigit() else feature
