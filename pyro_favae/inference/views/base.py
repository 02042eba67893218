"""What the inference half of a kind of view must provide, and the dispatch on its declaration."""

from abc import ABC, abstractmethod
from functools import singledispatch
from typing import Generic, TypeVar

from torch import Tensor, nn

from pyro_favae.data.observed import Observed
from pyro_favae.inference.rows import ViewRows
from pyro_favae.inference.snapshot import ViewSnapshot
from pyro_favae.models.views import Emission, View

EmissionT = TypeVar("EmissionT", bound=Emission)
RowsT = TypeVar("RowsT", bound=ViewRows)


class ViewInference(nn.Module, ABC, Generic[EmissionT, RowsT]):
    """Turns one view's data into :class:`ViewRows`; owns the encoder where there is one.

    ``emission`` is the view's generative half; it is passed in, not owned.
    """

    trained_by_gradient = False
    creeping_noise = False  # whether updates of the noise precision are slow enough to need extrapolation
    start_precision: float | None = None  # noise precision to start from, where a stand-in's means nothing

    @abstractmethod
    def rows(self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: EmissionT) -> RowsT:
        """What the view says about a batch: data (rows, *event), observed (rows, 1) or (rows, D)."""

    def start(self, data: Tensor, observed: Observed, view: ViewSnapshot, emission: EmissionT) -> ViewRows:
        """The same while learning starts; views whose inference is slow start from a Gaussian stand-in."""
        return self.rows(data, observed, view, emission)

    def known_latents(self, data: Tensor, emission: EmissionT) -> Tensor | None:
        """The latents (rows, D) that data (rows, *event) are, which a sampler then need not draw; None if unknown."""
        return None

    def evaluate(self, rows: RowsT, data: Tensor, emission: EmissionT) -> None:
        """Fill in the expected log likelihood of rows whose view needs a network for it."""
        return

    def sample_before(self, name: str, rows: RowsT) -> Tensor | None:
        """Emit the guide's ``latents`` that factors depend on; returns how far they lie from their mean."""
        return None

    def sample_after(self, name: str, rows: RowsT, prior: Tensor) -> None:
        """Emit the guide's ``latents`` that depend on W g + b, (rows, D)."""
        return


@singledispatch
def view_inference(view: View) -> ViewInference:
    """Return the inference half of a declared view."""
    raise NotImplementedError(f"no inference for the view {type(view).__name__}")
