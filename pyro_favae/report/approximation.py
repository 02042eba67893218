"""Whether the posterior that everything is read off is any good."""

from pyro_favae import diagnostics, plots
from pyro_favae.models.views import Bernoulli, Frozen, Real
from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, note, picture, text

DRAWS = 200
MOST_ROWS = 5000  # of which a draw takes some hundredths of a second


def approximation(material: Material) -> Section | None:
    """Pareto k̂ of views without networks; behind decoders a draw takes a second."""
    quick = all(isinstance(view, Real | Bernoulli | Frozen) for view in material.views.values())
    if material.data is None or material.dataset is None or not quick or len(material.dataset) > MOST_ROWS:
        return None
    if len(material.dataset) != material.fit.model.n_rows:
        return None  # other rows than were learnt from: theirs is another posterior
    found = diagnostics.psis(material.fit, material.data, draws=DRAWS, seed=0, progress=False)
    good = found.shared <= found.threshold
    verdict = (
        "Averages over its draws can be corrected by weighing them."
        if good
        else "Its draws miss where the posterior has mass: take intervals of weights and noise to be somewhat too "
        "narrow, as they are with factors and weights taken to be independent, and hold predictions against what "
        "came true, below."
    )
    return Section(
        "How good is the approximation?",
        (
            text(
                "What this page says is read off an approximation of the posterior. Draws of it are held against the "
                "posterior itself: k̂ is how heavy the tail of their ratios is, by Pareto-smoothed importance "
                f"sampling with {found.draws} draws, and is good up to {found.threshold:.2f}."
            ),
            note(f"k̂ of weights, noise and relevances is {found.shared:.2f}. {verdict}"),
            picture(
                plots.psis(found),
                f"k̂ of each row's own factors, given the rest: good for {found.good_rows:.0%} of the rows. What is "
                "said of the others is less certain than it looks.",
            ),
        ),
    )
