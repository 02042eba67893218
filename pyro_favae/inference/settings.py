"""How to learn, and how much of a model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pyro_favae.errors import SpecError, shown
from pyro_favae.inference.history import Callback
from pyro_favae.models.declaration import require_choice, require_count, require_flag, require_positive
from pyro_favae.models.execution import PRECISIONS

SCHEDULES = ("joint", "closed-form", "stochastic")
STARTS = ("pca", "random")
LARGEST_RATE = 1e30  # single precision holds little more


@dataclass(frozen=True)
class Settings:
    """How to learn; see :func:`pyro_favae.fit`. Raises :class:`SpecError` for what cannot be meant."""

    epochs: int = 200
    tolerance: float = 1e-5
    batch_size: int = 256
    learning_rate: float = 1e-3
    schedule: str = "joint"
    seed: int = 0
    start: str = "pca"
    progress: bool = True
    callbacks: Sequence[Callback] = ()
    precision: str = "full"
    compile: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        require_count("fit", epochs=self.epochs, batch_size=self.batch_size)
        require_positive("fit", learning_rate=self.learning_rate, tolerance=self.tolerance)
        if self.learning_rate > LARGEST_RATE:
            raise SpecError(
                f"fit: learning_rate is {self.learning_rate:g}, expected at most {LARGEST_RATE:g}"
            )
        require_choice("fit", SCHEDULES, schedule=self.schedule)
        require_choice("fit", STARTS, start=self.start)
        require_choice("fit", PRECISIONS, precision=self.precision)
        require_flag("fit", progress=self.progress, compile=self.compile)
        require_count("fit", least=0, workers=self.workers)
        if not isinstance(self.callbacks, Sequence) or not all(map(callable, self.callbacks)):
            raise SpecError(
                f"fit: callbacks is {shown(self.callbacks)}, expected a list of functions of a pass's record"
            )
        object.__setattr__(self, "callbacks", tuple(self.callbacks))


@dataclass(frozen=True)
class Scope:
    """Where a run starts from and what it may change: names of views.

    With some posteriors left as they are, so are the factors' prior and their coordinates.
    """

    trained: frozenset[str]  # networks that take gradient steps
    unknown: frozenset[str]  # networks that mean nothing yet, and are warmed up
    learnt: frozenset[str]  # posteriors that are updated
    fresh: frozenset[str]  # posteriors that nothing is known of yet

    @classmethod
    def afresh(
        cls, names: Collection[str], trained: Collection[str] = (), known: Collection[str] = ()
    ) -> "Scope":
        """Learn everything of the named views from nothing, but for the networks that are known."""
        everything, trained = frozenset(names), frozenset(trained)
        return cls(trained=trained, unknown=trained - frozenset(known), learnt=everything, fresh=everything)
