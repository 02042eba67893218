"""Where the rows lie, and what that goes with."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pyro_favae import diagnostics, plots
from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, picture, table, text
from pyro_favae.results import Fit

MOST, FALSE = 15, 0.05  # associations listed, and the share of them that may be false discoveries


def rows(material: Material) -> Section | None:
    """The rows in the plane of two factors, and the covariates that go with factors."""
    if material.data is None:
        return None
    covariates = material.covariates
    found = None if covariates is None else _associations(material.fit, material.data, covariates)
    caption = "Each point is a row, at the posterior means of two factors given all that is known of it."
    if covariates is None or found is None or found.empty:
        said = "" if found is None else "No covariate goes with any factor more than chance allows."
        return Section("The rows", (text(said), picture(plots.factors(material.fit, material.data), caption)))
    best = found.iloc[0]
    pair = _plane(found)
    colour = plots.factors(material.fit, material.data, covariates[best["covariate"]], pair=pair)
    return Section(
        "The rows",
        (
            text(
                "What is known of the rows beside the data, held against the factors: effects are correlations of "
                "numbers, areas under the ROC curve of two groups (AUC; ½ for none, 0 or 1 where a factor tells "
                "them apart), and shares of variance of several (eta2). Listed, the strongest first, is what a "
                f"false discovery rate of {100 * FALSE:.0f} % lets pass."
            ),
            table(found.set_index("covariate")[["factor", "measure", "effect", "p", "q", "rows"]]),
            picture(colour, caption),
        ),
    )


def _associations(fit: Fit, data: Mapping[str, Any], covariates: pd.DataFrame) -> pd.DataFrame:
    tested = diagnostics.associate(fit, data, covariates)
    return tested[tested["q"] < FALSE].sort_values("p").head(MOST)


def _plane(found: pd.DataFrame) -> tuple[int, int] | None:
    """The two factors that most goes with; the usual two where it is all one."""
    factors = [int(factor) for factor in dict.fromkeys(found["factor"])]
    return (factors[0], factors[1]) if len(factors) > 1 else None
