"""Influential factors of electroencephalograms: discovery, generation, and classes from sequences of frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import pyro_favae as fv
from pyro_favae.datasets import eeg
from pyro_favae.errors import DataError
from pyro_favae.experiments.experiment import Size
from pyro_favae.experiments.influence import tables
from pyro_favae.experiments.influence.classification import LabelledLatents, classification_by_share
from pyro_favae.experiments.influence.discovery import Discovery, discover
from pyro_favae.experiments.influence.eeg_frames import SIZE, EegFrames, frames_of_deap, frames_of_recording
from pyro_favae.experiments.influence.generation import generation_by_share
from pyro_favae.experiments.influence.images import FACTORS, discovery_section, generation_section, setting_of
from pyro_favae.experiments.influence.published import TABLE_3
from pyro_favae.experiments.influence.schedule import Schedule
from pyro_favae.plots.canvas import figure_of

#: Table A.4, with β = 6 of Appendix A.3 and a scale in standard deviations of a band's log power.
VIEW = fv.views.VAE(
    (len(eeg.BANDS), SIZE, SIZE),
    latent_dim=128,
    network="influence-eeg",
    likelihood=fv.likelihoods.Gaussian(0.25, link="identity"),
    beta=6.0,
)
#: file → its labels
RECORDINGS = {"eeglab_oddball_32ch_128hz": None, "eeg_eye_state_14ch_128hz": "eye_closed"}
MAPPED, MOVED = 4, 2.0  # factors in the maps, and how far each is moved either way
CAVEAT = (
    "Minutes of other recordings: they run the whole of the pipeline, and say nothing of the paper's Table 3, which "
    "is of DEAP. Windows overlap, so that standard errors are too small."
)


@dataclass(frozen=True, kw_only=True)
class FrameSchedule(Schedule):
    """How long to learn, classifiers too."""

    classifier_epochs: int


SCHEDULES = {
    "small": FrameSchedule(epochs=100, learning_rate=1e-3, batch_size=32, classifier_epochs=30),
    "paper": FrameSchedule(epochs=300, learning_rate=1e-3, batch_size=256, classifier_epochs=60),
}


def influence_eeg(root: Path, out: Path, *, size: Size, seed: int, progress: bool) -> str:
    """Learn from DEAP's preprocessed files in ``root/deap``, or else from the recordings in ``root/eeg``."""
    sections = ["# Influential factors of electroencephalograms"]
    figures: dict[str, Figure] = {}
    numbers: dict[str, dict] = {}
    for name, frames in _sources(root, seed):
        pictures = frames.pictures()
        path = out / f"{name}.favae"
        vae = SCHEDULES[size].learn(VIEW, pictures[frames.learn], path, seed=seed, progress=progress)
        found = _examine(name, frames, pictures, vae, SCHEDULES[size], seed)
        sections += [f"# {name}", *found.sections]
        figures |= {f"{name}-{what}": figure for what, figure in found.figures.items()}
        numbers[name] = found.numbers
    return tables.write(out, sections, figures, numbers)


def _sources(root: Path, seed: int) -> Iterator[tuple[str, EegFrames]]:
    if eeg.deap_files(root / "deap"):
        yield "DEAP", frames_of_deap(root / "deap", seed)
        return
    present = {name: root / "eeg" / f"{name}.npz" for name in RECORDINGS}
    present = {name: path for name, path in present.items() if path.is_file()}
    if not present:
        raise DataError(
            f"no electroencephalograms in {root}: expected DEAP's preprocessed s01.mat, … or s01.dat, … in "
            f"{root / 'deap'}, or {' and '.join(f'{name}.npz' for name in RECORDINGS)} in {root / 'eeg'}"
        )
    for name, path in present.items():
        yield name, frames_of_recording(eeg.load_recording(path, RECORDINGS[name]))


@dataclass(frozen=True, eq=False)
class Found:
    """What is written of one set."""

    sections: list[str]
    figures: dict[str, Figure]
    numbers: dict


def _examine(
    name: str, frames: EegFrames, pictures: np.ndarray, vae: fv.Pretrained, schedule: FrameSchedule, seed: int
) -> Found:
    test = pictures[frames.test]
    discovery = discover(vae, test)
    generation = generation_by_share(vae, test, discovery)
    setting = setting_of(vae, int(frames.learn.sum()), len(test), seed, "frames")
    sections = [setting, discovery_section(discovery), generation_section(generation, published=False)]
    sections += [] if name == "DEAP" else [CAVEAT]
    errors = {"this fit": generation["mse"], "guide, after Theorem 4": generation["guide"]}
    figures = {
        "indicator": figure_of(fv.plots.influence(discovery.information, most=FACTORS)),
        "generation": figure_of(fv.plots.shares(generation.index, errors, nats=generation["nats"])),
        "maps": factor_maps(vae, discovery, frames.positions),
    }
    numbers = {
        "factors": discovery.information.to_frame().to_dict("list"),
        "generation": generation.reset_index().to_dict("list"),
    }
    if frames.labels is not None:
        table = _classify(vae.encode(pictures)[0], frames, discovery, schedule, seed)
        sections.append(_classification_section(table, frames, published=name == "DEAP"))
        numbers["classification"] = table.reset_index().to_dict("list")
    return Found(sections, figures, numbers)


def _classify(
    means: np.ndarray, frames: EegFrames, discovery: Discovery, schedule: FrameSchedule, seed: int
) -> pd.DataFrame:
    """Table 3: an LSTM over the frames of a sequence."""
    learn, test = (
        LabelledLatents(means[sequences], labels)
        for sequences, labels in map(frames.sequences_in, (frames.learn, frames.test))
    )
    return classification_by_share(
        learn, test, discovery.information, shares=TABLE_3, epochs=schedule.classifier_epochs, seed=seed
    )


def _classification_section(table: pd.DataFrame, frames: EegFrames, published: bool) -> str:
    _, labels = frames.sequences_in(frames.test)
    header = ["top %", "factors", "nats", "others set to zero", "learnt anew"]
    rows: list[list[object]] = [
        [f"{share:g}", f"{row.factors:g}", f"{row.nats:.1f}", f"{row.zeroed:.3f}", f"{row.relearnt:.3f}"]
        for share, row in table.iterrows()
    ]
    if published:
        header += ["paper: nats", "paper: accuracy"]
        rows = [[*row, *TABLE_3[share]] for row, share in zip(rows, table.index, strict=True)]
    most = np.bincount(labels).max() / len(labels)
    length = frames.sequences.shape[1]
    what = f"Accuracy on {len(labels):,} sequences of {length} frames; the commonest class has {most:.3f}."
    return f"## Classification\n\n{what}\n\n" + tables.markdown(header, rows)


def factor_maps(vae: fv.Pretrained, discovery: Discovery, positions: np.ndarray) -> Figure:
    """What the most influential factors do to each band: decoded at +2 less decoded at −2. Figure 5."""
    ranking, nats = discovery.information.ranking[:MAPPED], discovery.information.nats
    latents = np.zeros((2, len(ranking), vae.view.latent_dim), np.float32)
    for row, factor in enumerate(ranking):
        latents[:, row, factor] = MOVED, -MOVED
    above, below = (vae.decode(ends) for ends in latents)
    outside = np.isnan(eeg.topographic_maps(positions[:, 0], positions, SIZE))
    difference = np.where(outside, np.nan, above - below)
    figure, grid = plt.subplots(
        len(ranking), len(eeg.BANDS), figsize=(8, 2.4 * len(ranking)), layout="constrained"
    )
    for row, factor in enumerate(ranking):
        limit = np.nanmax(np.abs(difference[row]))
        for column, band in enumerate(eeg.BANDS):
            title = f"{factor}: {nats[factor]:.2f} nats, {band}" if column == 0 else band
            fv.plots.topography(
                difference[row, column],
                positions,
                title=title,
                limit=limit,
                bar=column == len(eeg.BANDS) - 1,
                ax=grid[row, column],
            )
    return figure
