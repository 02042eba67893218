"""The rows of the suite, small enough for minutes: what the other scripts measure at length."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import bench_factor_analysis
import bench_influence
import bench_processes
import bench_throughput
import mofa
import multivae_models
import numpy as np
import torch

import pyro_favae as fv
from pyro_favae.experiments.digits import digit_quality
from pyro_favae.experiments.judge import Judge, train_judge
from pyro_favae.experiments.quality import r2

LEARN, TEST, EPOCHS = 3_000, 1_000, 20  # of MNIST's t10k part
TRAINING = {"batch_size": 128, "learning_rate": 1e-3}
FACTORS = 26


@dataclass(frozen=True)
class Row:
    """One comparison; ``ours`` and ``other`` in the same unit, None where there is nothing to show."""

    what: str
    unit: str
    ours: float | None
    other: float | None
    against: str  # what the other is, or why it is not there

    @property
    def ratio(self) -> float | None:
        return None if self.ours is None or not self.other else self.ours / self.other


def streaming(root: Path) -> Iterator[Row]:
    """A memory-mapped table; memory of the process without the pages of the file."""
    sizes = (100_000, 1_000_000)
    options = Namespace(features=20, factors=5, epochs=2, scratch=None)
    few, many = (bench_factor_analysis.memory_of(rows, options) for rows in sizes)
    against = f"{sizes[0]:,} rows, ours {sizes[1]:,}"
    if many["peak_anonymous"] is None:
        yield Row("peak memory of the process", "MiB", None, None, "this system does not tell")
        return
    mebi = bench_factor_analysis.MEBI
    yield Row(
        "peak memory of the process",
        "MiB",
        many["peak_anonymous"] / mebi,
        few["peak_anonymous"] / mebi,
        against,
    )
    yield Row("seconds of it", "s", many["seconds"], few["seconds"], against)


def networks(root: Path) -> Iterator[Row]:
    """Passes of ``fv.fit`` and of a plain PyTorch loop in turns, with the small network."""
    threads, against = torch.get_num_threads(), "the same VAE alone, by hand in PyTorch"
    found = bench_throughput.compared("small", "binary", threads, torch.device("cpu"), passes=5)
    yield Row("rows a second", "1/s", found["FA-VAE rows/s"], found["plain rows/s"], against)
    yield Row("rows a second of processor time, of the other's", "1", found["CPU ratio"], 1.0, against)


def factor_analysis(root: Path) -> Iterator[Row]:
    """Three simulated views with 5 % of their entries hidden; see ``bench_factor_analysis.py peer``."""
    if not mofa.available():
        yield Row("CPU seconds to the same held-out R²", "s", None, None, "mofapy2 is not installed")
        return
    options = Namespace(noise="feature", mode="medium", spikeslab=False, clock="cpu")
    methods = {"ours": bench_factor_analysis.learn_ours, "other": bench_factor_analysis.learn_peer}
    for name, size in (("warm-up", 100), ("simulated", 1_000)):
        views = bench_factor_analysis.simulated(size, seed=0)
        task = bench_factor_analysis.hide(views, bench_factor_analysis.SIMULATED_FACTORS, False, 0)
        run = bench_factor_analysis.compare(name, task, 0, methods, options)
    told = run["methods"]
    for key, what, unit in (
        ("seconds_to_threshold", "CPU seconds to the same held-out R²", "s"),
        ("seconds", "CPU seconds to convergence", "s"),
        ("r2", "held-out R² then", "1"),
    ):
        yield Row(what, unit, told["ours"][key], told["other"][key], "mofapy2")


@dataclass(frozen=True)
class Digits:
    """MNIST images in [0, 1], labels and codes: rows to learn from, rows held out, and a judge of images."""

    images: np.ndarray
    codes: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    judge: Judge

    @classmethod
    def read(cls, root: Path) -> "Digits":
        part = fv.datasets.load_mnist(root)
        images, codes = part.images.astype(np.float32) / 255, np.eye(10)[part.labels]
        judge = train_judge(images[:-TEST], part.labels[:-TEST], epochs=3)
        return cls(images[:LEARN], codes[:LEARN], images[-TEST:], part.labels[-TEST:], judge)

    @property
    def mean(self) -> np.ndarray:
        return self.images.mean(0)


QUALITY = (
    "accuracy of the label told from the image",
    "generated images recognised",
    "R² from the image alone",
)


def two_views(root: Path) -> Iterator[Row]:
    """MNIST images and labels: the same networks, rows and passes for all."""
    if not (root / "MNIST").is_dir():
        yield Row("MNIST images and labels", "", None, None, f"no MNIST below {root}")
        return
    digits = Digits.read(root)
    ours, seconds = ours_of(digits)
    if not multivae_models.available():
        for what, value in zip(QUALITY, ours, strict=True):
            yield Row(what, "1", value, None, "MultiVae is not installed")
        return
    for name in multivae_models.MODELS:
        peer = multivae_models.learnt(
            name, digits.images, digits.codes, latent_dim=FACTORS, epochs=EPOCHS, seed=0, **TRAINING
        )
        for what, value, other in zip(QUALITY, ours, quality_of(peer, digits), strict=True):
            yield Row(what, "1", value, other, name)
        yield Row("seconds of training", "s", seconds, peer.seconds, name)


def ours_of(digits: Digits) -> tuple[tuple[float, float, float], float]:
    """Quality and seconds of training."""
    image = fv.views.Image((1, 28, 28), latent_dim=16, beta=5.0, noise=fv.priors.Gamma(per_feature=True))
    model = fv.FAVAE(
        {"image": image, "label": fv.views.Bernoulli(10)}, n_factors=FACTORS, factors=fv.priors.Mixture(50)
    )
    data = {"image": digits.images, "label": digits.codes}
    fit = fv.fit(model, data, epochs=EPOCHS, seed=0, progress=False, device="cpu", **TRAINING)
    found = digit_quality(fit, digits.judge, digits.test_images, digits.test_labels, np.eye(10), digits.mean)
    return (found.label, found.recognised, found.reconstruction), float(fit.history["seconds"].iloc[-1])


def quality_of(peer: multivae_models.Peer, digits: Digits) -> tuple[float, float, float]:
    wanted = np.tile(np.arange(10), 100)
    judged = digits.judge.predict(peer.generated(np.eye(10)[wanted]))
    return (
        float((peer.classes(digits.test_images) == digits.test_labels).mean()),
        float((judged == wanted).mean()),
        r2(peer.reconstructed(digits.test_images), digits.test_images, digits.mean),
    )


def two_processes(root: Path) -> Iterator[Row]:
    """A real view's exact sweeps, then an image view's minibatches beside them."""
    size = ("--features", "100", "--factors", "10")
    for problem, rows in (("closed form", 20_000), ("closed form", 80_000), ("networks", 2_048)):
        one, two = (bench_processes.together(count, problem, str(rows), *size) for count in (1, 2))
        yield Row(f"{problem}, {rows:,} rows: a pass", "s", two["seconds"], one["seconds"], "one process")
        if problem == "closed form":
            yield Row(
                f"{problem}, {rows:,} rows: sent", "B", two["largest"], two["formula"], "what N is not in"
            )


def influence(root: Path) -> Iterator[Row]:
    """The information of 128 latents of 4,000 images, beside one pass of the encoder."""
    images = np.random.default_rng(0).random((4_000, 1, 28, 28), dtype=np.float32)
    seconds = bench_influence.timed(bench_influence.ways(images), repeats=3).median()
    bare, whole, estimate = seconds
    yield Row("influence(vae, images)", "s of processor", whole, bare, "one pass of its encoder")
    yield Row("the estimate alone", "s of processor", estimate, bare, "one pass of its encoder")
