"""What the inference half of a kind of view must provide, and the dispatch on its declaration."""

from abc import ABC, abstractmethod
from functools import singledispatch

from torch import Tensor, nn

from pyro_favae.data.observed import Observed
from pyro_favae.inference.rows import ViewRows
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.models.views import Emission, View


class ViewInference(nn.Module, ABC):
    """Turns one view's data into :class:`ViewRows`; owns the encoder where there is one.

    ``emission`` is the view's generative half; it is passed in, not owned.
    """

    trained_by_gradient = False
    creeping_noise = False  # whether updates of the noise precision are slow enough to need extrapolation
    start_precision: float | None = None  # noise precision to start from, where a stand-in's means nothing

    @abstractmethod
    def rows(self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: Emission) -> ViewRows:
        """What the view says about a batch: data (rows, *event), observed (rows, 1) or (rows, D)."""

    def start(self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: Emission) -> ViewRows:
        """The same while learning starts; views whose inference is slow start from a Gaussian stand-in."""
        return self.rows(data, observed, view, emission)

    def evaluate(self, rows: ViewRows, data: Tensor, emission: Emission) -> None:
        """Fill in the expected log likelihood of rows whose view needs a network for it."""
        return

    def sample_before(self, name: str, rows: ViewRows) -> Tensor | None:
        """Emit the guide's ``latents`` that factors depend on; returns how far they lie from their mean."""
        return None

    def sample_after(self, name: str, rows: ViewRows, prior: Tensor) -> None:
        """Emit the guide's ``latents`` that depend on W g + b, (rows, D)."""
        return


@singledispatch
def view_inference(view: View) -> ViewInference:
    """Return the inference half of a declared view."""
    raise NotImplementedError(f"no inference for the view {type(view).__name__}")
