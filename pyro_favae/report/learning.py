"""Whether learning came to an end."""

from pyro_favae import plots
from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, note, picture, text

ENDINGS = {
    "tolerance": "It ended by itself, as further passes hardly raised the bound.",
    "epochs": "It ended because it had made all the passes it was allowed.",
    "callback": "It was ended by a callback.",
    "interrupted": "It was interrupted.",
}


def learning(material: Material) -> Section:
    """The bound by pass."""
    fit = material.fit
    if not len(fit.history):
        return Section("How learning went", (note(f"No history: this fit is the {fit.ended_by}."),))
    passes, seconds = len(fit.history), fit.history["seconds"].iloc[-1]
    gain = fit.history["elbo"].diff().iloc[-1]
    last = f" The last pass changed it by {gain:+.3g} nats." if passes > 1 else ""
    parts = [
        text(
            f"Learning took {passes} passes over the data and {seconds:,.1f} s. "
            f"{ENDINGS.get(fit.ended_by, fit.ended_by)} The bound on the log evidence is {fit.elbo:,.1f} nats.{last}"
        ),
        picture(
            plots.bound(fit),
            "How far the bound and its terms were from where they ended, pass by pass. The curve should be flat at "
            "the end.",
        ),
    ]
    if fit.ended_by != "tolerance":
        parts.insert(
            1, note("More passes may still change what follows, if the curve is not flat at its end.")
        )
    return Section("How learning went", tuple(parts))
