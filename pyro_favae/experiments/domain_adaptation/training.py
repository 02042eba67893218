"""FA-VAE of two domains and the kind of what they show."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, get_args

import numpy as np

import pyro_favae as fv
from pyro_favae.errors import SpecError
from pyro_favae.experiments.domain_adaptation.domains import Pairs
from pyro_favae.experiments.domain_adaptation.plans import Plan
from pyro_favae.experiments.domain_adaptation.translation import canonical_axes, translate

KIND = "kind"
TOLERANCE = 2e-5  # some ten nats: what is drawn does not change after that
NEVER = 1e-12  # all passes are made
Way = Literal["plugged-in", "refined", "joint"]


@dataclass(frozen=True, eq=False)
class Adapted:
    """A fit, the pairs it learnt from, how strong its translations are, and the seconds it took, VAEs included."""

    fit: fv.Fit
    pairs: Pairs
    strength: float
    seconds: float

    def translate(self, source: str, target: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """Images (n, C, H, W) of one domain in the other; what is private there is that of images learnt from.

        The same seed gives the same private parts to as many images.
        """
        learnt = self.pairs.distinct(target).images
        start = learnt[np.random.default_rng(seed).integers(len(learnt), size=len(images))]
        return translate(self.fit, source, images, target, start, self.strength)

    def correlations(self) -> np.ndarray:
        """Canonical correlations between what either domain says of the factors, largest first."""
        one = (self.fit.transform({name: self.pairs.test[name].images[:1]}) for name in self.pairs.names)
        return canonical_axes(*(factors.covariance[0] for factors in one))[2]

    def draw(self, source: str, target: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """The same as in Section 3.2: factors and latents drawn from the posterior."""
        return self.fit.generate(target, {source: images}, seed=seed)[0]


def adapt(
    pairs: Pairs, plan: Plan, way: Way = "plugged-in", *, seed: int = 0, progress: bool = True
) -> Adapted:
    """Learn what two domains and the kind share.

    way: ``"plugged-in"`` trains one VAE a domain, each alone, then leaves the networks as they are and learns the
    factor analysis between their latents in exact sweeps; ``"refined"`` trains them alone for three quarters of the
    passes and spends the rest on everything together; ``"joint"`` trains everything together from the start.
    The gradient steps are as many in each. The kind is a real view, one-hot, for speed.
    """
    if way not in get_args(Way):
        raise SpecError(f"adapt: way is {way!r}, expected one of {get_args(Way)}")
    begin = perf_counter()
    kinds = tuple(pairs.label_names[:-1])
    views = {**dict.fromkeys(pairs.names, plan.image), KIND: fv.views.Real(kinds)}
    model, data = fv.FAVAE(views, plan.n_factors), three_views(pairs, plan)
    steps: dict[str, Any] = {"batch_size": plan.batch_size, "learning_rate": plan.learning_rate}
    run: dict[str, Any] = {"seed": seed, "progress": progress}
    if way == "joint":
        fit = fv.fit(model, data, epochs=plan.epochs, tolerance=NEVER, **steps, **run)
        return Adapted(fit, pairs, plan.strength, perf_counter() - begin)
    together = plan.epochs // 4 if way == "refined" else 0
    vaes = {name: train_vae(pairs, name, plan, plan.epochs - together, **run) for name in pairs.names}
    fit = fv.fit(model, data, epochs=plan.sweeps, tolerance=TOLERANCE, pretrained=vaes, **run)
    if together:
        fit = fv.refine(fit, data, epochs=together, tolerance=NEVER, **steps, **run)
    return Adapted(fit, pairs, plan.strength, perf_counter() - begin)


def train_vae(pairs: Pairs, name: str, plan: Plan, epochs: int, **run: Any) -> fv.Pretrained:
    """A VAE of a domain's images, each once a pass, in as many steps as ``epochs`` passes over the pairs."""
    images = pairs.distinct(name).images
    return fv.pretrain(
        plan.image,
        both_ways(images, plan),
        epochs=round(epochs * pairs.n / len(images)),
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        **run,
    )


def three_views(pairs: Pairs, plan: Plan) -> dict[str, np.ndarray]:
    """The pairs' images, with their mirror images if the plan wants them, and the kind of each, one-hot."""
    data = {name: both_ways(pairs.paired(name).images, plan) for name in pairs.names}
    kinds = pairs.paired(pairs.names[0]).labels[pairs.label_names[:-1]].to_numpy(np.float32)
    return {**data, KIND: np.tile(kinds, (1 + plan.mirrored, 1))}


def both_ways(images: np.ndarray, plan: Plan) -> np.ndarray:
    """The images, and behind them their mirror images if the plan wants them."""
    return np.concatenate([images, images[..., ::-1]]) if plan.mirrored else images
