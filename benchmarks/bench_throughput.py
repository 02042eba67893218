"""Rows a second of a VAE inside FA-VAE, beside the same VAE trained alone by a plain PyTorch loop.

A pass of `fv.fit` (all of it: networks, closed forms, record) and a pass of the plain loop take turns in one run, so
that what else the machine does falls on both. The plain loop has networks of its own of the same sizes, Adam and
batches of the same bytes, and nothing else. Run it as

    python benchmarks/bench_throughput.py [--networks small favae] [--beside real binary]
        [--threads 1 2] [--device auto] [--passes 7]

small: 28 × 28 images, 20 latents, 256 rows a step. favae: the FA-VAE paper's network, 3 × 64 × 64, 100 latents, 64
rows a step. Beside the images stands a table, binary attributes or real numbers. Rows a second are medians over
passes; `ratio` is the median of the ratios of neighbouring passes, its bar 0.90, and `CPU ratio` that of processor
time, which other jobs on the machine disturb less.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Dataset

import pyro_favae as fv

COLUMNS = 10
WARM_UP = 2  # pairs of passes that are not counted
BESIDE = ("real", "binary")

#: shape, latents, factors, rows a step, steps a pass
PROBLEMS = {"small": ((1, 28, 28), 20, 10, 256, 16), "favae": ((3, 64, 64), 100, 20, 64, 3)}


def layers(network: str, shape: Sequence[int], latents: int) -> tuple[nn.Module, nn.Module]:
    """The networks as one would write them by hand."""
    if network == "small":
        channels, hidden = (32, 32), 256
    else:
        channels, hidden = (64, 128, 256, 512, 1024), None
    side = shape[1] // 2 ** len(channels)
    flat = channels[-1] * side * side
    down, up, seen = [], [], shape[0]
    for size in channels:
        down += [nn.Conv2d(seen, size, 4, 2, 1), nn.ReLU()]
        up = [nn.ReLU(), nn.ConvTranspose2d(size, seen, 4, 2, 1), *up]
        seen = size
    middle = [nn.Linear(flat, hidden), nn.ReLU()] if hidden else []
    start = [nn.Linear(latents, hidden), nn.ReLU()] if hidden else []
    encoder = nn.Sequential(*down, nn.Flatten(), *middle, nn.Linear(hidden or flat, 2 * latents))
    decoder = nn.Sequential(
        *start, nn.Linear(hidden or latents, flat), nn.Unflatten(1, (channels[-1], side, side)), *up
    )
    return encoder, decoder


class PlainLoop:
    """A VAE with a Gaussian likelihood of scale 0.2 and z ~ N(0, I)."""

    def __init__(
        self, network: str, images: np.ndarray, latents: int, batch: int, device: torch.device
    ) -> None:
        self.encoder, self.decoder = (part.to(device) for part in layers(network, images.shape[1:], latents))
        self.images, self.batch, self.device = torch.from_numpy(images), batch, device
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimiser = torch.optim.Adam(parameters, lr=1e-3)

    def __call__(self) -> None:
        """One pass."""
        for rows in torch.randperm(len(self.images)).split(self.batch):
            x = self.images[rows].to(self.device).float() / 255
            mean, log_variance = self.encoder(x).chunk(2, 1)
            z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
            decoded = self.decoder(z).sigmoid()
            likelihood = -((x - decoded) ** 2).sum() / (2 * 0.2**2)
            divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
            loss = (divergence - likelihood) / len(x)
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()


class Turns:
    """A callback of `fv.fit` that runs another pass after each of its own and takes both times."""

    def __init__(self, other: Callable[[], None], device: torch.device) -> None:
        self.other, self.device = other, device
        self.times: list[
            np.ndarray
        ] = []  # of fv.fit's pass and of the other: seconds, and those of processors
        self.begin: np.ndarray | None = None

    def __call__(self, record: dict) -> None:
        middle = self._now()
        self.other()
        end = self._now()
        if record["stage"] == "train" and self.begin is not None:
            self.times.append(np.stack([middle - self.begin, end - middle]))
        self.begin = end

    def _now(self) -> np.ndarray:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return np.array([time.perf_counter(), time.process_time()])


def problem(network: str, beside: str = "binary") -> tuple[fv.FAVAE, dict[str, np.ndarray]]:
    """Random bytes and labels: what they are does not change what a pass costs."""
    shape, latents, factors, batch, steps = PROBLEMS[network]
    rng = np.random.default_rng(0)
    data = {
        "image": rng.integers(0, 256, (batch * steps, *shape), dtype=np.uint8),
        "table": rng.integers(0, 2, (batch * steps, COLUMNS)).astype(np.float32),
    }
    views = {
        "image": fv.views.Image(shape, latent_dim=latents, network=network),
        "table": fv.views.Bernoulli(COLUMNS) if beside == "binary" else fv.views.Real(COLUMNS),
    }
    return fv.FAVAE(views, n_factors=factors), data


def compared(
    network: str, beside: str, threads: int, device: torch.device, passes: int, **options: Any
) -> dict[str, Any]:
    """One row of the table; options: of `fv.fit`."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model, data = problem(network, beside)
    latents, batch = PROBLEMS[network][1], PROBLEMS[network][3]
    turns = Turns(PlainLoop(network, data["image"], latents, batch, device), device)
    epochs = int(
        np.ceil((passes + WARM_UP + 1) / 0.8)
    )  # a fifth of them is the warm-up, which is not counted
    fv.fit(
        model,
        data,
        epochs=epochs,
        batch_size=batch,
        tolerance=1e-15,
        seed=0,
        device=device,
        progress=False,
        callbacks=[turns],
        **options,
    )
    times = np.array(turns.times)[WARM_UP:]
    rows = len(data["image"])
    return {
        "network": network,
        "beside": beside,
        "device": str(device),
        "threads": threads,
        "precision": options.get("precision", "full"),
        "passes": len(times),
        "FA-VAE rows/s": rows / np.median(times[:, 0, 0]),
        "plain rows/s": rows / np.median(times[:, 1, 0]),
        "ratio": np.median(times[:, 1, 0] / times[:, 0, 0]),
        "CPU ratio": np.median(times[:, 1, 1] / times[:, 0, 1]),
    }


def rows(
    networks: Sequence[str] = tuple(PROBLEMS),
    beside: Sequence[str] = BESIDE,
    threads: Sequence[int] = (1, 2),
    device: str = "auto",
    passes: int = 7,
    precision: str = "full",
) -> list[dict[str, Any]]:
    """The table, as a list of its rows."""
    chosen = torch.device("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return [
        compared(network, other, count, torch.device(chosen), passes, precision=precision)
        for network in networks
        for other in beside
        for count in threads
    ]


class Files(Dataset):
    """Images in files, decoded whenever they are asked for."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> np.ndarray:
        with Image.open(self.paths[row]) as picture:
            return np.asarray(picture.resize((64, 64), Image.Resampling.LANCZOS)).transpose(2, 0, 1)


def reading(workers: Sequence[int], count: int = 512, passes: int = 3) -> list[dict[str, Any]]:
    """Rows a second of `fit.transform` from PNG files of 178 × 218, by how many processes read them, taking turns."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{row}.png" for row in range(count)]
        for path in paths:
            Image.fromarray(rng.integers(0, 256, (218, 178, 3), dtype=np.uint8)).save(path)
        data = {"image": Files(paths)}
        view = fv.views.Image((3, 64, 64), latent_dim=16, network="dense")
        fit = fv.fit(fv.FAVAE({"image": view}, 4), data, epochs=1, seed=0, device="cpu", progress=False)
        times: dict[int, list[float]] = {number: [] for number in workers}
        for _ in range(passes):
            for number in workers:
                begin = time.perf_counter()
                with fv.reading(workers=number):
                    fit.transform(data)
                times[number].append(time.perf_counter() - begin)
    rates = {number: count / np.median(seconds) for number, seconds in times.items()}
    return [{"workers": number, "rows/s": rate} for number, rate in rates.items()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--beside", nargs="+", choices=BESIDE, default=list(BESIDE))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--precision", choices=["full", "bfloat16"], default="full", help="of fv.fit alone")
    parser.add_argument(
        "--reading", type=int, nargs="+", metavar="WORKERS", help="measure reading files instead"
    )
    options = parser.parse_args()
    if options.reading:
        print(pd.DataFrame(reading(options.reading)).to_string(index=False, float_format="%.0f"))
        return
    table = rows(
        options.networks, options.beside, options.threads, options.device, options.passes, options.precision
    )
    print(pd.DataFrame(table).to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
