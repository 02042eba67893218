"""What the information of every latent dimension costs beside one pass of the encoder.

python benchmarks/bench_influence.py [--rows 10000] [--repeats 9] [--threads 1]

The network is that of Table A.4 for MNIST, 128 latents, in batches of 512 rows. All ways are timed in turn within one
run, and their medians divided by that of the bare pass: the machine may be busy, but equally so for all of them.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import pyro_favae as fv
from pyro_favae.results.predictive import CHUNK
from pyro_favae.results.pretrained import NAME


def ways(images: np.ndarray) -> dict[str, Callable[[], object]]:
    """What is timed, by name; the bare pass first."""
    view = fv.views.Image((1, 28, 28), 128, "influence-mnist")
    pretrained = fv.pretrain(view, images[:2], epochs=0, seed=0, device="cpu", progress=False)
    encoder, pixels = pretrained.guide.inference(NAME).encoder, torch.as_tensor(images)

    @torch.no_grad()
    def bare() -> list[torch.Tensor]:
        return [encoder(batch) for batch in pixels.split(CHUNK)]

    batches = [(half[0], half[1].exp()) for half in (output.chunk(2, 1) for output in bare())]
    return {
        "bare pass of the encoder": bare,
        "influence(vae, images)": lambda: fv.diagnostics.influence(pretrained, images),
        "the estimate alone": lambda: fv.diagnostics.streamed_mutual_information(batches),
    }


def timed(calls: dict[str, Callable[[], object]], repeats: int) -> pd.DataFrame:
    """Seconds of each way, (repeats, ways), one after the other in each repeat."""
    rows = []
    for repeat in range(repeats + 1):
        row = {}
        for name, call in calls.items():
            begin = time.process_time()
            call()
            row[name] = time.process_time() - begin
        if repeat:  # the first warms up
            rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = np.random.default_rng(0).random((options.rows, 1, 28, 28), dtype=np.float32)
    seconds = timed(ways(images), options.repeats)
    base = seconds.columns[0]
    ratios = seconds.div(seconds[base], axis=0)
    table = pd.DataFrame(
        {
            "seconds": seconds.median(),
            "ratio": seconds.median() / seconds[base].median(),
            "quartiles of the ratio": [
                f"{ratios[name].quantile(0.25):.3f} to {ratios[name].quantile(0.75):.3f}" for name in seconds
            ],
        }
    )
    print(f"{options.rows} rows, {options.threads} thread(s), {options.repeats} repeats")
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
