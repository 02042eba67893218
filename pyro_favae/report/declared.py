"""What was declared, and what data there are."""

import pandas as pd

from pyro_favae import diagnostics, plots
from pyro_favae.models.describe import as_lines, kind_of
from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, folded, picture, table, text


def declared(material: Material) -> Section:
    """The views and the priors."""
    declaration = material.fit.declaration
    rows = {
        name: {
            "kind": kind_of(view),
            "a row's data": " × ".join(map(str, view.event_shape)) or "one class",
            "latent dimensions": view.latent_dim,
            "weight prior": repr(declaration.weights_of(name)),
            "noise prior": repr(declaration.noise_of(name)),
        }
        for name, view in material.views.items()
    }
    return Section(
        "What was declared",
        (
            text(
                f"Every view is a noisy, weighted sum of the same {declaration.n_factors} factors at most "
                f"(prior of the factors: {declaration.factors!r}). A view takes up only the factors that it needs. "
                "Views of tables hold the data as they are; other views pass them through a network, and the factors "
                "stand behind its latent dimensions."
            ),
            table(pd.DataFrame.from_dict(rows, orient="index").rename_axis("view")),
            folded("The declaration as code", as_lines(declaration)),
        ),
    )


def data_overview(material: Material) -> Section | None:
    """Which rows have which views."""
    if material.data is None:
        return None
    missing = diagnostics.missingness(material.fit, material.data)
    lacking = {name: int((missing[name] == 1).sum()) for name in missing}
    said = [f"{count:,} lack {name}" for name, count in lacking.items() if count]
    holes = (
        f"Of {len(missing):,} rows, {', '.join(said)}."
        if said
        else f"All {len(missing):,} rows have every view."
    )
    caption = "Each band is a view, each column a row of the data. Hatched: the row lacks the view."
    return Section(
        "The data",
        (
            text(f"{holes} Nothing is filled in to learn from: what is missing takes no part."),
            picture(plots.data_overview(material.fit, material.data), caption),
        ),
    )
