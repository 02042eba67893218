"""What views behind decoders have in common where the data's columns have scales of their own."""

from abc import ABC

from pyro_favae.errors import SpecError
from pyro_favae.models.views.decoder import DecoderView
from pyro_favae.models.views.real import RealEmission, Standardise, require_standardise


class StandardisedView(DecoderView, ABC):
    """Data (rows, …, columns) of which single entries may be missing, NaN, as the encoder is told.

    standardise: ``"feature"`` spares the networks each column's mean and standard deviation, ``"view"`` each column's
    mean and one standard deviation for all, ``"none"`` neither. None is ``"feature"`` for a likelihood of real
    numbers, whose scale is then in standard deviations of a column, and ``"none"`` for others, which have no units.
    """

    missing_entries = True
    standardise: Standardise | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.standardise is None:
            return
        kind = f"views.{type(self).__name__}"
        require_standardise(kind, self.standardise)
        if self.standardise != "none" and self.likelihood.support != "real":
            raise SpecError(
                f"{kind}: standardise is {self.standardise!r}, but {self.likelihood!r} is of "
                f"{self.likelihood.support} data, which have no units; leave standardise out, or choose a likelihood "
                "of real numbers, such as fv.likelihoods.Gaussian(link='identity')"
            )

    def units(self) -> RealEmission | None:
        how = self.standardise or "feature"
        if how == "none" or self.likelihood.support != "real":
            return None
        return RealEmission(how, self.event_shape[-1])
