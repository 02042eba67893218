"""Whether predictions hold."""

from collections.abc import Iterator
from dataclasses import replace

import torch

from pyro_favae import diagnostics, plots
from pyro_favae.models.views import Real
from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, note, picture, table, text
from pyro_favae.results.predictive import inferred, predict_rows

DRAWS = 200  # that intervals are read off
COLUMNS = {
    "log_density": "log density",
    "marginal_log_density": "marginal",
    "marginal_score": "marginal score",
    "rows": "rows that have it",
}


def checks(material: Material) -> Section | None:
    """Every view predicted from the others; probabilities and intervals held against what came true."""
    if material.data is None or len(material.views) < 2:
        return None
    told = diagnostics.leave_one_view_out(material.fit, material.data)
    return Section(
        "Are predictions right, and honest?",
        (
            text(
                "Each view is predicted from all other views of the same row. The score is R² for numbers, the area "
                "under the ROC curve (AUC) for yes/no attributes, and the share told rightly for classes; the log "
                "density is in nats a number. Marginal figures are those of a prediction that knows nothing of the "
                "row: what stands above them is what sharing factors buys."
            ),
            note(
                "These are the data given to this report. If the fit has learnt from them, the scores flatter it."
            ),
            table(told.round(3).rename(columns=COLUMNS)),
            *_calibrations(material),
            *_coverage(material),
        ),
    )


def _calibrations(material: Material) -> Iterator[str]:
    if material.dataset is None:
        return
    dataset = material.dataset
    for name, view in material.views.items():
        if not view.binary:
            continue
        others = replace(dataset, views={n: rows for n, rows in dataset.views.items() if n != name})
        predicted = predict_rows(
            material.fit.guide, name, inferred(material.fit.guide, others), dataset.index
        )
        truth, seen = dataset.views[name].batch(slice(None), torch.device("cpu"))
        told = seen.expand(truth.shape).numpy()
        yield picture(
            plots.calibration(predicted.mean[told], truth.numpy()[told]),
            f"{name} predicted from the other views: of all predictions of 80 %, say, four in five should come true. "
            "Points on the dashed line do.",
        )


def _coverage(material: Material) -> Iterator[str]:
    """Of tables of numbers; pixels would take hundreds of passes through a decoder."""
    names = [name for name, view in material.views.items() if isinstance(view, Real)]
    if material.data is None or not names:
        return
    found = diagnostics.coverage(material.fit, material.data, views=names, draws=DRAWS, seed=0)
    yield picture(
        plots.coverage(found),
        "A fifth of the entries, chosen at random, predicted from the rest of their rows: how many lie in the "
        "intervals that should hold half of them, and so on. Below the dashed line intervals are too narrow, above "
        "it too wide.",
    )
