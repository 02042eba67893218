"""A fit as one page of HTML."""

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd

from pyro_favae.report.about import about
from pyro_favae.report.approximation import approximation
from pyro_favae.report.checks import checks
from pyro_favae.report.declared import data_overview, declared
from pyro_favae.report.factors import features, sharing, variance
from pyro_favae.report.images import images
from pyro_favae.report.learning import learning
from pyro_favae.report.material import Material, and_
from pyro_favae.report.page import page
from pyro_favae.report.rows import rows
from pyro_favae.results import Fit

#: in the order in which one reads; each gives a section, or None where it has nothing to say
SECTIONS = (
    declared,
    data_overview,
    learning,
    sharing,
    variance,
    features,
    rows,
    images,
    approximation,
    checks,
    about,
)


def report(
    fit: Fit,
    path: str | os.PathLike,
    data: Mapping[str, Any] | None = None,
    *,
    covariates: pd.DataFrame | None = None,
    title: str | None = None,
) -> Path:
    """Write one self-contained HTML page about a fit, pictures and all, and return its path.

    What was declared, how learning went, what the views share in words, and what each factor is made of; with data,
    as :func:`pyro_favae.fit` takes them, also what is missing of them, the variance explained, images redrawn and
    edited, and how well views are predicted from one another. The page loads nothing from elsewhere and runs no
    script. A file that is there is replaced once the new one is complete. covariates: what else is known of the
    data's rows, held against the factors as :func:`pyro_favae.diagnostics.associate` does. title: the page's heading.

    Raises :class:`OSError` before anything is computed where the file cannot be written, and :class:`DataError` for
    data that do not fit the model.
    """
    target = Path(path)
    partial = _writable(target)
    try:
        with matplotlib.style.context("default"):
            partial.write_text(_page(Material(fit, data, covariates), title), encoding="utf-8")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _writable(target: Path) -> Path:
    """The file to write to until it is complete, there already."""
    if target.is_dir():
        raise IsADirectoryError(
            f"report: {str(target)!r} is a folder, expected the name of a file, such as report.html"
        )
    if not target.parent.is_dir():
        raise FileNotFoundError(f"report: no folder {str(target.parent)!r} to write in; create it first")
    partial = target.with_name(target.name + ".partial")
    partial.touch()
    return partial


def _page(material: Material, title: str | None) -> str:
    fit = material.fit
    sections = [section for make in SECTIONS if (section := make(material)) is not None]
    facts = {
        "views": len(material.views),
        "factors in use": f"{len(material.active())} of {fit.declaration.n_factors}",
        "rows learnt from": f"{fit.model.n_rows:,}",
        "bound, in nats": f"{fit.elbo:,.1f}" if len(fit.history) else "none",
        "ended by": fit.ended_by,
    }
    return page(
        title or f"Factors of {and_(material.views)}",
        f"A factor-analysis VAE, reported on {date.today():%d %B %Y}",
        facts,
        sections,
    )
