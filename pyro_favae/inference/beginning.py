"""How a run begins: units, then, once networks are warm, posteriors of what nothing is known of."""

from collections.abc import Sequence

import torch

from pyro_favae.errors import SpecError
from pyro_favae.inference.alignment import align, trust_components
from pyro_favae.inference.passes import Passes
from pyro_favae.inference.principal import start_from_components
from pyro_favae.inference.settings import Scope, Settings
from pyro_favae.inference.sparse_start import lead_to_sparse_axes
from pyro_favae.inference.start import (
    calibrate,
    place_components,
    randomise_weights,
    set_start_noise,
    silence,
)
from pyro_favae.inference.sweeps import Sweeps

START_SWEEPS = 3  # closed-form sweeps before networks are trained or components placed


class Beginning:
    """The phases before learning proper, which cannot be left half done: a run that is continued repeats them."""

    def __init__(
        self, passes: Passes, sweeps: Sweeps, settings: Settings, scope: Scope, generator: torch.Generator
    ) -> None:
        self.passes, self.sweeps, self.settings, self.generator = passes, sweeps, settings, generator
        self.guide = passes.guide
        self.posterior = passes.guide.posterior
        self.fresh = [name for name in self.guide.names if name in scope.fresh]
        new = scope.unknown & scope.trained if settings.schedule != "closed-form" else frozenset()
        self.new = [name for name in self.guide.names if name in new]
        self.teachers: list[str] = []  # views that networks learn from while they warm up
        if settings.start == "aligned":
            self.teachers = [name for name in self.guide.names if name not in self.new]
            self._require_one_pupil()

    def _require_one_pupil(self) -> None:
        if len(self.new) != 1 or not self.teachers:
            raise SpecError(
                "start is 'aligned', expected one view with new networks to train, beside others; seen new networks "
                f"for {self.new or 'no view'} of the views {list(self.guide.names)}"
            )

    def read_units(self) -> None:
        """Units of the data of views that nothing is known of."""
        calibrate(self.guide, self.passes.dataset, self.fresh, self.passes.chunk, self.passes.processes)

    def warm_up(self) -> None:
        """What the prior of new networks' latents is while these are trained alone.

        N(0, I), since nothing is said of the factors; with an aligned start the factors of the other views.
        """
        silence(self.guide, self.fresh)
        if not self.teachers:
            return
        self.passes.encode(self.new)
        others = [name for name in self.fresh if name in self.teachers]
        if others:
            self._place_components(others, every=True)
            for name in others:
                trust_components(self.posterior.view(name))
        align(self.guide, self.new[0])
        self.passes.read_again(self.new)

    def place(self, trained: Sequence[str]) -> None:
        """From principal components, or from what is known of other views.

        trained: the views whose networks take gradient steps.
        """
        if not self.fresh:
            return
        self.passes.encode(trained)
        if len(self.fresh) < len(self.guide.names):
            silence(self.guide, self.fresh)
            set_start_noise(self.guide, self.fresh)
            self._sweep(self.fresh)
        else:
            self._place_all(bool(trained))
        self.passes.read_again(trained)

    def _place_all(self, trained: bool) -> None:
        self._place_components(self.guide.names)
        if trained or self.guide.declaration.factors.n_components > 1:
            self._sweep(None)
            place_components(self.guide, self.passes.everything, self.guide.names, self.generator)
        if self.settings.schedule != "stochastic":
            lead_to_sparse_axes(self.posterior.views, self._swept_bound)

    def _place_components(self, names: Sequence[str], every: bool = False) -> None:
        """Weights and noise of the named views, from principal components of their latents.

        every: not only from those that stand out of noise.
        """
        randomise_weights(self.guide, names, self.generator)
        if self.settings.start != "random":
            start_from_components(
                [self.posterior.view(name) for name in names],
                lambda: self.passes.stand_ins(names),
                len(self.passes.everything),
                self.generator,
                self.passes.processes,
                every,
            )
        set_start_noise(self.guide, names)

    def _sweep(self, names: Sequence[str] | None) -> None:
        """Sweeps of the named views alone, with stand-ins where inference is slow."""
        for _ in range(START_SWEEPS):
            statistics = self.passes.statistics(start=True)
            statistics.require_finite(self.guide.names, "in a sweep before learning")
            self.posterior.update(statistics, names)

    def _swept_bound(self) -> float:
        return self.sweeps.updates.bound(self.sweeps.plain())
