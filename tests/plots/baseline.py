"""Pictures as they were when someone last looked at them: `python -m tests.plots.baseline` draws them anew.

Without any text, which differs between builds of the font library; what is written is tested elsewhere.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.text import Text

import pyro_favae as fv
from pyro_favae import plots
from tests.diagnostics import simulated

FOLDER = Path(__file__).with_name("baseline")
DPI = 50


def pictures() -> dict[str, Callable[[], Axes]]:
    """What is stored, by name; only a closed-form fit, which comes out alike everywhere."""
    data = simulated.simulate(200).data
    fit = simulated.fit(data)
    rng = np.random.default_rng(0)
    probabilities, grid = rng.random(400), rng.random((2, 3, 3, 8, 8))
    outcomes = rng.random(400) < probabilities**2
    kinds = [None if i % 5 == 0 else "abc"[i % 3] for i in range(200)]
    return {
        "calibration": lambda: plots.calibration(probabilities, outcomes),
        "data_overview": lambda: plots.data_overview(*_holes()),
        "factors": lambda: plots.factors(fit, data, kinds),
        "images": lambda: plots.images(grid),
        "sharing": lambda: plots.sharing(fit),
        "variance_explained": lambda: plots.variance_explained(fit, data),
        "weights": lambda: plots.weights(fit),
    }


def _holes() -> tuple[fv.FAVAE, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    table, other = rng.normal(size=(60, 8)), rng.normal(size=(60, 3))
    table[40:] = other[30:50] = np.nan
    table[rng.random((60, 8)) < np.linspace(0, 1, 60)[:, None]] = np.nan
    return fv.FAVAE({"table": fv.views.Real(8), "other": fv.views.Real(3)}, 2), {
        "table": table,
        "other": other,
    }


def save(draw: Callable[[], Axes], path: Path) -> None:
    """Draw in matplotlib's own style, whatever the user's, and leave the text out."""
    with matplotlib.style.context("default"):
        figure = draw().figure
        figure.canvas.draw()  # creates the tick labels
        for text in figure.findobj(Text):
            text.set_visible(False)
        figure.savefig(path, dpi=DPI)
        pyplot.close(figure)


def main() -> None:
    """Replace what is stored."""
    matplotlib.use("Agg")
    FOLDER.mkdir(exist_ok=True)
    for name, draw in pictures().items():
        save(draw, FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
