"""Command line: `pyro-favae demo`, `pyro-favae reproduce`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pyro_favae import __version__
from pyro_favae.errors import FavaeError
from pyro_favae.experiments.catalogue import EXPERIMENTS, Size
from pyro_favae.experiments.demo import SOURCES, run_demo


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, or 1 with the error's message on standard error."""
    options = _parser().parse_args(arguments)
    try:
        print(options.run(options))
    except (FavaeError, OSError) as error:
        print(f"pyro-favae: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyro-favae", description="Factor-analysis variational autoencoders."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
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
