"""Command line: `pyro-favae demo`, `pyro-favae fit`, `pyro-favae reproduce`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pyro_favae import __version__
from pyro_favae.errors import FavaeError
from pyro_favae.experiments.catalogue import EXPERIMENTS, Size
from pyro_favae.experiments.demo import SOURCES, run_demo
from pyro_favae.fitting.from_files import fit_files
from pyro_favae.inference.settings import SCHEDULES
from pyro_favae.models.execution import PRECISIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, or 1 with the error's message on standard error."""
    options = _parser().parse_args(arguments)
    try:
        said = options.run(options)
    except (FavaeError, OSError) as error:
        print(f"pyro-favae: {error}", file=sys.stderr)
        return 1
    if said:
        print(said)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-favae", description="Factor-analysis variational autoencoders."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_fit(commands)
    _add_reproduce(commands)
    return parser


def _add_demo(commands) -> None:
    demo = commands.add_parser("demo", help="fit real handwritten digits and their attributes, and look")
    demo.add_argument("--out", type=Path, default=Path("favae-demo"), help="folder for figures and the fit")
    demo.add_argument("--data", choices=sorted(SOURCES), default="digits")
    demo.add_argument("--root", type=Path, help="folder that holds MNIST/raw, for --data mnist")
    demo.add_argument("--epochs", type=int, help="passes over the data; fewer is quicker and worse")
    demo.add_argument("--seed", type=int, default=0)
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> str:
    return run_demo(options.data, options.root, options.out, epochs=options.epochs, seed=options.seed)


def _add_fit(commands) -> None:
    fit = commands.add_parser("fit", help="fit a declared model to data in files, alone or under torchrun")
    fit.add_argument("model", type=Path, help="declaration, as fv.to_json writes it")
    fit.add_argument(
        "data", type=Path, help=".npz of arrays by view, folder of VIEW.npy or VIEW.csv, or .csv of one view"
    )
    fit.add_argument("--out", type=Path, required=True, help="file for the fit, to be read by fv.load")
    fit.add_argument("--checkpoint", type=Path, help="file to keep the run's state in")
    fit.add_argument("--every", default="5min", help="how often: a time, or a number of passes")
    fit.add_argument("--resume", action="store_true", help="go on with the checkpoint if there is one")
    fit.add_argument("--epochs", type=int, default=200)
    fit.add_argument("--tolerance", type=float, default=1e-5)
    fit.add_argument("--batch-size", type=int, default=256, help="rows of a step, in all processes together")
    fit.add_argument("--learning-rate", type=float, default=1e-3)
    fit.add_argument("--schedule", choices=SCHEDULES, default="joint")
    fit.add_argument("--seed", type=int)
    fit.add_argument("--device", default="auto")
    fit.add_argument("--precision", choices=PRECISIONS, default="full", help="of networks in gradient steps")
    fit.add_argument("--compile", action="store_true", help="compile the networks of gradient steps")
    fit.add_argument("--workers", type=int, default=0, help="processes that read ahead, for each that learns")
    fit.add_argument("--timeout", type=float, default=600.0, help="seconds to wait for another process")
    fit.set_defaults(run=_fit)


def _fit(options: argparse.Namespace) -> str:
    given = {name: value for name, value in vars(options).items() if name != "run"}
    if options.every.isdecimal():
        given["every"] = int(options.every)
    return fit_files(**given, progress=sys.stderr.isatty())


def _add_reproduce(commands) -> None:
    reproduce = commands.add_parser("reproduce", help="run an experiment of one of the two papers")
    reproduce.add_argument("name", choices=sorted(EXPERIMENTS))
    reproduce.add_argument("--root", type=Path, required=True, help="folder that holds the data sets")
    reproduce.add_argument(
        "--out", type=Path, help="folder for the table and figures, favae-NAME if not given"
    )
    reproduce.add_argument("--size", choices=get_args(Size), default="small")
    reproduce.add_argument("--seed", type=int, default=0)
    reproduce.set_defaults(run=_reproduce)


def _reproduce(options: argparse.Namespace) -> str:
    out = options.out or Path(f"favae-{options.name}")
    out.mkdir(parents=True, exist_ok=True)
    experiment = EXPERIMENTS[options.name]
    return experiment(options.root, out, size=options.size, seed=options.seed, progress=sys.stderr.isatty())


if __name__ == "__main__":
    sys.exit(main())
